"""Arrays in every kind of file, and those that are stored (target, time)."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

import encodekit as ek
from encodekit_adapters.folder import check_folder

RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal((30, 7))


@pytest.fixture
def lab(load_module):
    return load_module(Path(__file__).with_name("lab_folder.py"))


@pytest.fixture
def one(lab, tmp_path):
    """A lab of one run of 60 s and one person, whose array the test writes."""
    return lab.write_lab(tmp_path / "lab", {"a": 60.0}, {"P1": {"a": VALUES}},
                         stimuli={"a": {"scan_starts": 0}})  # fmt: skip


def entry(lab, root, **fields):
    told = lab.described(root)
    told["participants"]["P1"]["responses"]["a"] = fields
    lab.rewrite(root, told)
    return root


def write_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def write_matlab_7_3(path, **arrays):
    """As MATLAB does: a block of its own before HDF5, and every array with its axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array.T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        file["#refs#/a"] = np.zeros(3)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


WHOLE = {
    "Fortran order": (lambda f: np.save(f / "x.npy", np.asfortranarray(VALUES)), {"file": "x.npy"}),
    "half": (lambda f: np.save(f / "x.npy", VALUES.astype("f2")), {"file": "x.npy"}),
    "big-endian": (lambda f: np.save(f / "x.npy", VALUES.astype(">f8")), {"file": "x.npy"}),
    "big-endian in HDF5": (lambda f: write_h5(f / "x.h5", y=VALUES.astype(">f4")),
                           {"file": "x.h5"}),
    "one array in an archive": (lambda f: np.savez(f / "x.npz", bold=VALUES), {"file": "x.npz"}),
    "one of two in an archive": (lambda f: np.savez(f / "x.npz", bold=VALUES, more=VALUES[0]),
                                 {"file": "x.npz", "key": "bold"}),
    "a path in HDF5": (lambda f: write_h5(f / "x.h5", **{"sub-1/run 1/y": VALUES, "z": VALUES[0]}),
                       {"file": "x.h5", "key": "sub-1/run 1/y"}),
    "a path from the root": (lambda f: write_h5(f / "x.hdf5", **{"s/y": VALUES, "s/z": VALUES[0]}),
                             {"file": "x.hdf5", "key": "/s/y"}),
    "an index": (lambda f: np.save(f / "x.npy", np.stack([VALUES * 0, VALUES])),
                 {"file": "x.npy", "index": 1}),
    "transposed": (lambda f: np.save(f / "x.npy", VALUES.T), {"file": "x.npy", "transposed": True}),
    "transposed in HDF5": (lambda f: write_h5(f / "x.h5", y=VALUES.T),
                           {"file": "x.h5", "transposed": True}),
    "transposed in an archive, an index": (
        lambda f: np.savez(f / "x.npz", y=np.stack([VALUES.T * 0, VALUES.T])),
        {"file": "x.npz", "index": 1, "transposed": True}),
    "MATLAB": (lambda f: savemat(f / "x.mat", {"bold": VALUES}), {"file": "x.mat"}),
    "MATLAB, compressed, of two": (
        lambda f: savemat(f / "x.mat", {"bold": VALUES, "t": 2.0}, do_compression=True),
        {"file": "x.mat", "key": "bold"}),
    "MATLAB, transposed": (lambda f: savemat(f / "x.mat", {"bold": VALUES.T}),
                           {"file": "x.mat", "transposed": True}),
    "MATLAB 7.3": (lambda f: write_matlab_7_3(f / "x.mat", bold=VALUES), {"file": "x.mat"}),
    "MATLAB 7.3, transposed": (lambda f: write_matlab_7_3(f / "x.mat", bold=VALUES.T),
                               {"file": "x.mat", "key": "bold", "transposed": True}),
    "HDF5 named .mat": (lambda f: write_h5(f / "x.mat", bold=VALUES.T),
                        {"file": "x.mat", "transposed": True}),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_the_values_are_those_of_the_file(lab, one, kind):
    write, fields = WHOLE[kind]
    write(one)
    study = ek.load_study(entry(lab, one, **fields))
    read = study.responses()[0]
    assert read.dtype == np.float32
    expected = VALUES.astype("f2") if kind == "half" else VALUES
    np.testing.assert_array_equal(read.values, expected.astype("f4"))
    assert check_folder(one) == []


@pytest.mark.parametrize("dtype", ["i1", "u2", "<i4", ">i8", "u8"])
@pytest.mark.parametrize("name", ["x.npy", "x.h5", "x.mat"])
def test_whole_numbers_are_read_as_they_are(lab, one, dtype, name):
    numbers = RNG.integers(0, 100, (30, 7)).astype(dtype)
    if name == "x.npy":
        np.save(one / name, numbers)
    elif name == "x.h5":
        write_h5(one / name, y=numbers)
    else:
        savemat(one / name, {"y": numbers.astype(numbers.dtype.newbyteorder("="))})
    study = ek.load_study(entry(lab, one, file=name))
    np.testing.assert_array_equal(study.responses()[0].values, numbers)


REFUSED = {
    "two in an archive": (lambda f: np.savez(f / "x.npz", a=VALUES, b=VALUES), {"file": "x.npz"},
                          r"holds arrays by name: say which one with key \(a, b\)"),
    "two in HDF5": (lambda f: write_h5(f / "x.h5", **{"g/a": VALUES, "b": VALUES}),
                    {"file": "x.h5"}, r"which one with key \(b, g/a\)"),
    "a path that lacks": (lambda f: write_h5(f / "x.h5", **{"g/bold": VALUES}),
                          {"file": "x.h5", "key": "g/bald"}, "unknown array 'g/bald'.*'g/bold'"),
    "a group": (lambda f: write_h5(f / "x.h5", **{"g/bold": VALUES}),
                {"file": "x.h5", "key": "g"}, "unknown array 'g'"),
    "MATLAB of two": (lambda f: savemat(f / "x.mat", {"a": VALUES, "b": VALUES}),
                      {"file": "x.mat"}, r"which one with key \(a, b\)"),
    "MATLAB of text": (lambda f: savemat(f / "x.mat", {"a": "bold"}), {"file": "x.mat"},
                       r"holds no array of numbers"),
    "MATLAB of a structure": (
        lambda f: savemat(f / "x.mat", {"bold": {"data": VALUES}}), {"file": "x.mat"},
        "holds no array of numbers"),
    "text in HDF5 beside nothing": (lambda f: write_h5(f / "x.h5"), {"file": "x.h5"},
                                    "holds no array of numbers"),
    "Python objects": (lambda f: np.save(f / "x.npy", VALUES.astype(object)), {"file": "x.npy"},
                       "holds Python objects, expected numbers: save one array"),
    "Python objects in an archive": (
        lambda f: np.savez(f / "x.npz", VALUES.astype(object)), {"file": "x.npz"},
        "holds Python objects, expected numbers"),
    "complex numbers": (lambda f: np.save(f / "x.npy", VALUES * 1j), {"file": "x.npy"},
                        "holds complex128, expected numbers"),
    "an image": (lambda f: None, {"file": "x.nii.gz"},
                 r"is an image.*load_study\(.bids.*NiftiMasker.*from_masker"),
    "a volume": (lambda f: None, {"file": "x.nii"}, "is an image.*np.save"),
    "a surface": (lambda f: None, {"file": "x.func.gii"}, "is an image.*bids.*from_surface"),
    "a CIFTI": (lambda f: None, {"file": "x.dtseries.nii"}, "is an image.*space=.fsLR.*get_fdata"),
    "a cut MATLAB file": (
        lambda f: (savemat(f / "x.mat", {"a": VALUES}),
                   (f / "x.mat").write_bytes((f / "x.mat").read_bytes()[:900])),
        {"file": "x.mat"}, "x.mat.*cannot be read as MATLAB"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_remedy(lab, one, kind):
    write, fields, message = REFUSED[kind]
    write(one)
    with pytest.raises(ValueError, match=f"(?s)P1.responses.a: .*{message}"):
        ek.load_study(entry(lab, one, **fields))


def swap(array):
    return np.swapaxes(array, 0, 1)


def random(*shape):
    return RNG.standard_normal(shape)


# (seconds of sound by run, arrays by person and run, fields of the description, which are swapped)
SWAPPED = {
    "the sound, few regions": ({"a": 724.0}, {"P1": {"a": random(6, 362)}}, {}, ["P1.a"]),
    "the sound, many voxels": ({"a": 60.0}, {"P1": {"a": random(5000, 30)}}, {}, ["P1.a"]),
    "the sound, a scan that ends early": (
        {"a": 720.0}, {"P1": {"a": random(6, 150)}}, {}, ["P1.a"]),
    "other runs, all swapped": (
        {"a": None, "b": None}, {"P1": {"a": random(7, 30), "b": random(7, 22)}}, {},
        ["P1.a", "P1.b"]),
    "other runs, one swapped": (
        {"a": None, "b": None, "c": None},
        {"P1": {"a": random(30, 7), "b": random(7, 22), "c": random(28, 7)}}, {}, ["P1.b"]),
    "other people": (
        {"a": None}, {"P1": {"a": random(30, 40)}, "P2": {"a": random(55, 30)},
                      "P3": {"a": random(30, 62)}}, {}, ["P2.a"]),
    "two people": (
        {"a": None}, {"P1": {"a": random(30, 6)}, "P2": {"a": random(6, 30)}}, {},
        ["P1.a", "P2.a"]),
    "listed targets": (
        {"a": None}, {"P1": {"a": random(3, 30)}},
        {"targets": {"region": ["A", "B", "C"]}}, ["P1.a"]),
    "said to be swapped and is not": (
        {"a": 60.0}, {"P1": {"a": (random(30, 7), {"transposed": True})}}, {}, ["P1.a"]),
    "other people's targets": (
        {"a": 60.0}, {"P1": {"a": random(30, 5)}, "P2": {"a": random(5, 18)}}, {}, ["P2.a"]),
    "an index": (
        {"a": 60.0}, {"P1": {"a": (random(2, 7, 30), {"index": 0})}}, {}, ["P1.a"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SWAPPED)
def test_swapped_axes_are_noticed(lab, tmp_path, name):
    sounds, arrays, more, expected = SWAPPED[name]
    stimuli = {run: {"scan_starts": 0} for run in sounds}
    root = lab.write_lab(tmp_path / "lab", sounds, arrays, stimuli=stimuli, **more)
    told = check_folder(root)
    named = [problem for problem in told if "other way round" in problem]
    assert len(named) == len(expected)
    assert [f"{p.split('.')[1]}.{p.split('.')[3].split(':')[0]}" for p in named] == expected
    assert all('"transposed": true' in p or 'leave "transposed" out' in p for p in named)


def test_the_remedy_gives_the_right_values(lab, tmp_path):
    array = random(362, 6)
    root = lab.write_lab(tmp_path / "lab", {"a": 760.0}, {"P1": {"a": swap(array)}},
                         stimuli={"a": {"scan_starts": 20}})  # fmt: skip
    with pytest.raises(
        ValueError, match=r'write "transposed": true in its entry, {"file": "P1_a.npy", "tr'
    ):
        ek.load_study(root)
    study = ek.load_study(entry(lab, root, file="P1_a.npy", transposed=True))
    response = study.responses()[0]
    np.testing.assert_array_equal(response.values, array.astype("f4"))
    assert response.seconds.values[0] == 20


def test_confounds_tell_and_may_be_swapped_themselves(lab, tmp_path):
    root = lab.write_lab(tmp_path / "lab", {"a": None}, {"P1": {"a": swap(VALUES)}},
                         stimuli={"a": {"scan_starts": 0}},
                         people={"P1": {"confounds": {"a": "motion.csv"}}})  # fmt: skip
    motion = random(30, 2)
    np.savetxt(root / "motion.csv", motion, delimiter=",", header="x,y", comments="")
    with pytest.raises(ValueError, match="there are 30 rows of confounds"):
        ek.load_study(root)
    np.save(root / "P1_a.npy", VALUES)
    np.save(root / "motion.npy", motion.T)
    told = lab.described(root)
    told["participants"]["P1"]["confounds"] = {"a": "motion.npy"}
    lab.rewrite(root, told)
    with pytest.raises(
        ValueError, match=r"confounds.a: .* 2 rows but .* 30 .*\"transposed\": true"
    ):
        ek.load_study(root)
    told["participants"]["P1"]["confounds"]["a"] = {"file": "motion.npy", "transposed": True}
    lab.rewrite(root, told)
    cleaned = ek.load_study(root).clean(ek.ConfoundRemover(n_cosines=0)).responses()[0].values
    design = np.column_stack([np.ones(30), motion])
    by_hand = VALUES - design @ np.linalg.lstsq(design, VALUES, rcond=None)[0] + VALUES.mean(axis=0)
    np.testing.assert_allclose(cleaned, by_hand, atol=1e-5)


RIGHT = {
    "native voxels, a cut run, a late scan": (
        {"a": 60.0, "b": 80.0},
        {"P1": {"a": random(30, 41), "b": random(40, 41)},
         "P2": {"a": random(21, 30), "b": random(40, 30)},
         "P3": {"a": (random(27, 36), {"scan_starts": 6}), "b": random(38, 36)}}, {}),
    "more voxels than TRs": ({"a": 60.0}, {"P1": {"a": random(30, 900)}}, {}),
    "as many TRs in each run": (
        {"a": None, "b": None}, {"P1": {"a": random(30, 7), "b": random(30, 7)}}, {}),
    "one region": ({"a": 60.0}, {"P1": {"a": random(30, 1)}}, {}),
    "said not to be swapped": (
        {"a": 720.0}, {"P1": {"a": (random(20, 350), {"transposed": False})}}, {}),
    "other people with cut runs": (
        {"a": None}, {"P1": {"a": random(30, 6)}, "P2": {"a": random(22, 6)}}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_arrays_that_are_right_are_taken(lab, tmp_path, name):
    sounds, arrays, more = RIGHT[name]
    stimuli = {run: {"scan_starts": 0} for run in sounds}
    root = lab.write_lab(tmp_path / "lab", sounds, arrays, stimuli=stimuli, **more)
    assert check_folder(root) == []


@pytest.mark.parametrize(
    ("shape", "seconds"),
    [((30, 30), 60.0), ((30, 30), None), ((37, 30), 60.0), ((31, 30), 60.0), ((29, 30), 60.0)],
)
def test_what_cannot_be_told_is_asked(lab, tmp_path, shape, seconds):
    root = lab.write_lab(tmp_path / "lab", {"a": seconds}, {"P1": {"a": random(*shape)}},
                         stimuli={"a": {"scan_starts": 0}})  # fmt: skip
    told = rf"responses.a: either axis of shape \({shape[0]}, {shape[1]}\) may be time: write "
    with pytest.raises(ValueError, match=told + r'{"file": "P1_a.npy", "transposed": false}'):
        ek.load_study(root)
    values = np.load(root / "P1_a.npy")
    for stated in (True, False):
        root = entry(lab, root, file="P1_a.npy", transposed=stated)
        (run,) = ek.load_study(root).responses()
        right = values.T if stated else values
        np.testing.assert_allclose(run.values, right[: run.sizes["time"]], rtol=1e-6)
        assert run.sizes["time"] == min(len(right), 30)


REPEATS = np.random.default_rng(5).normal(size=(2, 35, 40))


@pytest.mark.parametrize("axes", [(1, 2, 0), (2, 1, 0), (1, 0, 2)])
def test_repeats_that_are_not_first_are_refused(lab, tmp_path, axes):
    """(TR, target, repeat), (target, TR, repeat) and (TR, repeat, target)."""
    array = REPEATS.transpose(axes)
    root = lab.write_lab(tmp_path / "lab", {"a": 70.0}, {"P1": {"a": array}},
                         stimuli={"a": {"scan_starts": 0}})  # fmt: skip
    with pytest.raises(ValueError, match=rf"would be {array.shape[0]} repeats of .* first"):
        ek.load_study(root)
    np.save(root / "P1_a.npy", array.transpose(np.argsort(axes)))
    np.testing.assert_allclose(ek.load_study(root).repeats().values, REPEATS, rtol=1e-6)
