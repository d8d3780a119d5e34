"""Damaged files of a study of one's own: a ValueError with file and cause, or the truth."""

import hashlib
import json
import random
import zipfile

import numpy as np
import pandas as pd
import pytest
import soundfile

import encodekit as ek
from encodekit.cli import main
from encodekit_adapters._arrays import lazy_array
from encodekit_adapters._json import read_json
from encodekit_adapters.folder import check_folder

h5py = pytest.importorskip("h5py")
VALUES = np.random.default_rng(0).standard_normal((40, 60)).astype("f4")
KINDS = ("a.npy", "a.npz", "compressed.npz", "a.h5", "chunked.h5", "checked.h5")
RUNS = {"one": 12, "two": 9}


def write(path):
    if path.suffix == ".npy":
        np.save(path, VALUES)
    elif path.suffix == ".npz":
        save = np.savez_compressed if "compressed" in path.name else np.savez
        save(path, a=VALUES, b=VALUES[:3])
    else:
        more = {"chunked": {"chunks": (20, 30), "compression": "gzip"},
                "checked": {"fletcher32": True}}.get(path.stem, {})  # fmt: skip
        with h5py.File(path, "w") as file:
            file.create_dataset("a", data=VALUES, **more)


def read(path):
    key = None if path.suffix == ".npy" else "a"
    return np.asarray(lazy_array(path, key, None, "f4", path.name).compute())


def outcome(path, content):
    """Return what reading says: "named", or the values that came."""
    path.write_bytes(content)
    try:
        return read(path)
    except ValueError as error:
        return "named" if path.name in str(error) else str(error)


class TestArrays:
    @pytest.mark.parametrize("name", KINDS)
    def test_a_file_that_was_cut_is_named(self, tmp_path, name):
        write(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for length in (0, 1, 7, 100, len(whole) // 2, len(whole) - 1):
            assert outcome(tmp_path / name, whole[:length]) == "named"

    @pytest.mark.parametrize("name", KINDS)
    def test_a_flipped_bit_never_gives_another_shape_or_another_exception(self, tmp_path, name):
        write(tmp_path / name)
        whole, rng, n_named = (tmp_path / name).read_bytes(), random.Random(1), 0
        headers = range(min(2000, len(whole)))  # where shapes and types are told
        for place in [*rng.sample(headers, 150), *rng.sample(range(len(whole)), 100)]:
            content = bytearray(whole)
            content[place] ^= 1 << rng.randrange(8)
            found = outcome(tmp_path / name, bytes(content))
            n_named += isinstance(found, str)
            if isinstance(found, str):
                assert found == "named"
            else:
                assert found.shape == VALUES.shape
                if name.endswith(".npz"):  # every byte of a member is under its sum
                    assert np.array_equal(found, VALUES)
        assert n_named > 5

    @pytest.mark.parametrize("name", ["a.h5", "chunked.h5", "checked.h5"])
    def test_every_flipped_bit_of_the_shape_that_hdf5_states_is_named(self, tmp_path, name):
        write(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        shape = np.array(VALUES.shape, "<i8").tobytes()
        first = whole.index(shape)
        for bit in range(8 * len(shape)):
            content = bytearray(whole)
            content[first + bit // 8] ^= 1 << bit % 8
            assert outcome(tmp_path / name, bytes(content)) == "named"

    @pytest.mark.parametrize("shape", ["(40, 6), ", "(4, 60), ", "(2400,),", "(41, 60),", "(), "])
    def test_a_header_of_another_shape_is_named(self, tmp_path, shape):
        path = tmp_path / "a.npy"
        write(path)
        content = path.read_bytes()
        assert b"(40, 60)," in content
        told = content.replace(b"(40, 60), ", shape.ljust(10).encode(), 1)
        if shape == "(2400,),":  # of as many bytes: another array, which a study refuses
            assert outcome(path, told).shape == (2400,)
        else:
            assert outcome(path, told) == "named"

    def test_a_member_with_more_than_its_header_says_is_named(self, tmp_path):
        path = tmp_path / "a.npz"
        np.save(tmp_path / "a.npy", VALUES)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", (tmp_path / "a.npy").read_bytes() + b"more")
        with pytest.raises(ValueError, match="holds more than its header says"):
            read(path)

    @pytest.mark.parametrize("chunks", [None, (10, 60)])
    def test_hdf5_of_which_a_part_was_never_written_is_named(self, tmp_path, chunks):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            rows = file.create_dataset("a", (40, 60), "f4", chunks=chunks)
            if chunks:
                rows[:10] = 1  # zeros would stand for the others
        with pytest.raises(ValueError, match="a.h5.* other than these are stored"):
            read(tmp_path / "a.h5")

    def test_what_happens_to_a_file_after_it_was_opened_is_named(self, tmp_path):
        for name in KINDS:
            write(tmp_path / name)
            key = None if name.endswith(".npy") else "a"
            rows = lazy_array(tmp_path / name, key, None, "f4", "rows")
            (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:200])
            with pytest.raises(ValueError, match=name):
                rows.compute()

    def test_a_pickle_in_an_array_is_not_opened(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([print], dtype=object), allow_pickle=True)
        with pytest.raises(ValueError, match="a.npy"):
            read(tmp_path / "a.npy")

    def test_volumes_are_read_to_the_end_of_their_sum(self, tmp_path):
        nibabel = pytest.importorskip("nibabel")
        from encodekit_adapters._fmriprep import _load, _read_image

        image = nibabel.Nifti1Image(VALUES.reshape(4, 5, 6, 20), np.eye(4))
        for name in ("a.nii", "a.nii.gz"):
            path = tmp_path / name
            nibabel.save(image, path)
            whole, rng = path.read_bytes(), random.Random(0)
            true, told = _read_image(path, None), []
            for _ in range(60):
                content = bytearray(whole)
                content[rng.randrange(350 if name == "a.nii" else len(whole))] ^= (
                    1 << rng.randrange(8)
                )
                path.write_bytes(content)
                try:
                    _load(path)
                    found = _read_image(path, None)
                except ValueError as error:
                    told.append(str(error))
                else:
                    assert found.shape == true.shape or found.size == true.size
            assert told
            assert all(name in message for message in told)
            path.write_bytes(whole[:-9])
            with pytest.raises(ValueError, match=name):
                _read_image(path, None)


@pytest.fixture
def described():
    return {
        "encodekit_study": 1, "name": "mine", "t_r": 2.0,
        "stimuli": {
            "one": {"audio": "one.wav", "words": "words.csv", "first_onset": 0.0},
            "two": {"tr_times": [4.0 + 2 * k for k in range(9)]},
        },
        "participants": {
            "P1": {"responses": {"one": "P1/one.npy", "two": "P1/two.npy"},
                   "confounds": {"one": "motion.tsv"}},
            "P2": {"responses": {"one": {"file": "P2.h5", "key": "one"},
                                 "two": {"file": "P2.h5", "key": "two"}}},
        },
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path, described):
    """A study of two participants with the sums of its files."""
    rng = np.random.default_rng(0)
    root = tmp_path / "mine"
    (root / "P1").mkdir(parents=True)
    soundfile.write(root / "one.wav", rng.standard_normal(30_000) * 0.1, 1000)
    (root / "words.csv").write_text("word,onset,duration\nfox,3.5,0.2\n")
    pd.DataFrame({"x": np.arange(12.0)}).to_csv(root / "motion.tsv", sep="\t", index=False)
    with h5py.File(root / "P2.h5", "w") as file:
        for run, n in RUNS.items():
            np.save(root / "P1" / f"{run}.npy", rng.standard_normal((n, 3)))
            file[run] = rng.standard_normal((n, 3))
    files = [path for path in root.rglob("*") if path.is_file()]
    described["sha256"] = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    (root / "study.json").write_text(json.dumps(described, indent=1))
    return root


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def rewritten(folder, described, **changes):
    (folder / "study.json").write_text(json.dumps({**described, **changes}, indent=1))


class TestSums:
    def test_a_whole_study_is_whole_and_hidden_files_need_no_sum(self, folder, capsys):
        (folder / ".git").mkdir()
        (folder / ".git" / "index").write_text("")
        (folder / ".DS_Store").write_text("")
        assert check_folder(folder) == []
        with pytest.raises(SystemExit) as ended:
            main(["data", "check", str(folder)])
        assert ended.value.code in (0, None)
        assert ek.load_study("folder", root=folder).participants == ["P1", "P2"]

    @pytest.mark.parametrize("name", ["one.wav", "words.csv", "motion.tsv", "P1/two.npy", "P2.h5"])
    def test_a_flipped_bit_is_told_by_check_and_by_load(self, folder, name):
        flip(folder / name)
        told = f"{name} has the sha256"
        assert any(problem.startswith(told) for problem in check_folder(folder))
        with pytest.raises(ValueError, match=f"{told}.*it was changed or damaged; copy it again"):
            ek.load_study("folder", root=folder)

    def test_check_tells_every_change_every_lack_and_every_unlisted_file(self, folder, described):
        flip(folder / "P1/one.npy")
        flip(folder / "words.csv")
        (folder / "notes").mkdir()
        (folder / "notes" / "a.txt").write_text("")
        sums = {**described["sha256"], "gone.npy": "0" * 64, "notes": "0" * 64}
        del sums["motion.tsv"]
        rewritten(folder, described, sha256=sums)
        told = "\n".join(check_folder(folder))
        for part in (
            "P1/one.npy has the sha256",
            "words.csv has the sha256",
            "gone.npy is listed in sha256 and cannot be read (No such file",
            "notes is listed in sha256 and cannot be read (Is a directory",
            "motion.tsv is read, and sha256 does not list it",
            "notes/a.txt is in the folder, and sha256 does not list it",
        ):
            assert part in told
        assert "P2.h5" not in told

    def test_load_looks_at_what_is_read_alone(self, folder):
        flip(folder / "P2.h5")
        (folder / "more.txt").write_text("")
        study = ek.load_study("folder", root=folder, participants="P1")
        assert study.participants == ["P1"]
        with pytest.raises(ValueError, match="P2.h5 has the sha256"):
            ek.load_study("folder", root=folder)

    def test_a_path_may_be_written_in_other_ways_and_sums_in_capitals(self, folder, described):
        sums = {f"./P1/../{name}": digest.upper() for name, digest in described["sha256"].items()}
        rewritten(folder, described, sha256=sums)
        assert check_folder(folder) == []

    @pytest.mark.parametrize("digest", ["0f", "g" * 64, 5, None, "0" * 65, ["0" * 64]])
    def test_what_is_no_sum_is_refused(self, folder, described, digest):
        rewritten(folder, described, sha256={"one.wav": digest})
        assert "study.json: sha256.one.wav: " in check_folder(folder)[0]

    def test_without_sums_nothing_is_compared(self, folder, described):
        flip(folder / "P1/one.npy")
        rewritten(folder, described, sha256={})
        assert check_folder(folder) == []


# What stands in study.json, and what is said of it.
JSON = {
    "nothing": ("", "line 1"),
    "cut": ('{\n"a": [1,\n', "line 3"),
    "trailing comma": ('{"a": 1,\n}', "line 2"),
    "comment": ('{\n// no\n"a": 1}', "line 2"),
    "two documents": ('{"a": 1}\n{"b": 2}', "line 2"),
    "key twice": ('{"a": {"b": 1,\n"b": 2}}', "line 1: 'b' comes twice in one object"),
    "deep lists": ('{"a":\n' + "[" * 100_000 + "]" * 100_000 + "}", "line 2.*more than 50 deep"),
    "deep objects": ('{"a":' * 5_000 + "1" + "}" * 5_000, "more than 50 deep"),
    "NaN": ('{"t_r": NaN}', "NaN is no JSON"),
    "Infinity": ('{"t_r": -Infinity}', "Infinity is no JSON"),
    "too large": ('{"t_r": 1e999}', "beyond what a computer holds"),
    "5,000 digits": ('{"t_r": ' + "9" * 5_000 + "}", "more than 18 digits"),
    "latin-1": (b'{\n"name": "caf\xe9"}', "line 2, is not UTF-8"),
    "UTF-16": ('{"name": "a"}'.encode("utf-16"), "line 1, is not UTF-8"),
    "NUL": ('{"name":\n"a\\u0000"}', "line 2: there is the character U.0000"),
    "half a character": ('{"name": "\\ud800"}', "U.D800"),
    "NUL in a key": ('{"a\\u0000": 1}', "U.0000"),
    "single quotes": ("{'a': 1}", "line 1"),
}  # fmt: skip


class TestDescriptions:
    @pytest.mark.parametrize("name", JSON)
    def test_what_is_no_json_is_told_with_file_and_line(self, folder, name):
        given, told = JSON[name]
        path = folder / "study.json"
        path.write_bytes(given if isinstance(given, bytes) else given.encode())
        with pytest.raises(ValueError, match=f"(?s)study folder .*study.json'.*{told}"):
            ek.load_study("folder", root=folder)
        (problem,) = check_folder(folder)
        problem.encode()  # can be printed
        assert len(problem) < 1_000

    @pytest.mark.parametrize(
        ("field", "value"),
        [("t_r", "2"), ("t_r", True), ("t_r", 0), ("name", 3), ("encodekit_study", True),
         ("encodekit_study", "1"), ("stimuli", []), ("stimuli", {}), ("participants", {"P1": 3}),
         ("targets", {"vertex": ["1"]}), ("targets", {"vertex": [1.5]}), ("sha256", []),
         ("participants", {"P1": {"responses": {"one": {"file": 3}}}}), ("colour", "red"),
         ("participants", {"P1": {"responses": {"one": {"file": "a.npz", "index": "1"}}}})],
        ids=str,
    )  # fmt: skip
    def test_a_value_of_another_type_is_told_with_file_and_field(
        self, folder, described, field, value
    ):
        rewritten(folder, described, **{field: value})
        told = check_folder(folder)
        assert told
        assert all(problem.startswith(f"study.json: {field}") for problem in told)

    @pytest.mark.parametrize("content", ["[]", "3", '"a"', "null", "true"])
    def test_what_is_no_object_is_told(self, folder, content):
        (folder / "study.json").write_text(content)
        (problem,) = check_folder(folder)
        assert problem.startswith("study.json: the whole: ")

    def test_ten_thousand_mistakes_are_not_all_shown(self, folder, described):
        rewritten(folder, described, targets={"vertex": ["x"] * 10_000})
        told = check_folder(folder)
        assert len(told) == 51
        assert told[-1] == "study.json: 9950 more"

    def test_a_mark_at_the_beginning_and_letters_of_any_kind_are_fine(self, folder, described):
        text = json.dumps({**described, "name": "caf\u00e9 \U0001f600"}, ensure_ascii=False)
        (folder / "study.json").write_bytes(text.encode("utf-8-sig"))
        assert ek.load_study("folder", root=folder).name == "caf\u00e9 \U0001f600"

    def test_what_programs_write_may_hold_more(self, tmp_path):
        path = tmp_path / "sidecar.json"
        path.write_text('{"RepetitionTime": 2, "Gain": NaN, "Gain": Infinity}')
        assert read_json(path, strict=False)["RepetitionTime"] == 2
        path.write_text("[" * 100_000)
        with pytest.raises(ValueError, match=r"sidecar.json' is not JSON"):
            read_json(path, strict=False)

    @pytest.mark.parametrize("name", ["a\nb.npy", "../../x.npy", "/dev/null", "x" * 300, ".", ""])
    def test_a_path_that_leads_nowhere_is_told(self, folder, described, name):
        people = {"P1": {"responses": {"one": name}}}
        rewritten(folder, described, participants=people, sha256={})
        told = check_folder(folder)
        assert any("participants.P1.responses.one: " in problem for problem in told)
