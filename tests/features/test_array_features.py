"""Precomputed features: found by what was heard, on the TRs of the run or refused."""

import pickle
import sys

import numpy as np
import pytest
import sklearn
import xarray as xr
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import RunList, Stimulus, make_response
from encodekit.testing import check_feature_extractor, small_study
from encodekit.testing._features import FEATURE_CHECKS

h5py = pytest.importorskip("h5py")

T_R = 2.0
RNG = np.random.default_rng(0)
STORIES = {"alice": 12, "fox": 9}
ARRAYS = {name: RNG.standard_normal((n, 3)).astype("f4") for name, n in STORIES.items()}


def stimulus(name, run=None, **keywords):
    given = {"t_r": T_R, "duration": STORIES[name] * T_R} | keywords
    return Stimulus(name, run=run, **given)


def stimuli():
    return [stimulus(name) for name in STORIES]


def values_of(features, run):
    return features.isel(time=np.flatnonzero(features.run.values == run)).values


def same_rows(features):
    return all(np.array_equal(values_of(features, name), ARRAYS[name]) for name in STORIES)


# Where arrays are


def test_a_mapping_of_stimuli_gives_its_rows():
    features = ek.ArrayFeatures(ARRAYS).transform(stimuli())
    assert same_rows(features)
    assert features.tr.values.tolist() == [*range(12), *range(9)]
    assert features.coords["name"].values.tolist() == [f"ArrayFeatures.{i:03d}" for i in range(3)]


def write_npy(folder):
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", array)


def write_npz(folder):
    for name, array in ARRAYS.items():
        np.savez(folder / f"{name}.npz", features=array, other=array + 1)


def write_hdf5(folder):
    for name, array in ARRAYS.items():
        with h5py.File(folder / f"{name}.hf5", "w") as file:
            file["layers/layer08"] = array
            file["layers/layer09"] = array + 1


def write_one_npz(folder):
    np.savez(folder / "all.npz", **ARRAYS)


def write_one_hdf5(folder):
    with h5py.File(folder / "all.h5", "w") as file:
        for name, array in ARRAYS.items():
            file[f"{name}/wordnet"] = array


@pytest.mark.parametrize(
    ("write", "given", "keywords"),
    [
        (write_npy, "", {}),
        (write_npy, "{stimulus}.npy", {}),
        (write_npy, "{run}.npy", {}),
        (write_npz, "{stimulus}.npz", {"key": "features"}),
        (write_npz, "", {"key": "features"}),
        (write_hdf5, "{stimulus}.hf5", {"key": "layers/layer08"}),
        (write_hdf5, "", {"key": "/layers/layer08"}),
        (write_one_npz, "all.npz", {}),
        (write_one_npz, "all.npz", {"key": "{run}"}),
        (write_one_hdf5, "all.h5", {"key": "{stimulus}/wordnet"}),
    ],
)
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_files_are_found_by_pattern_folder_or_key(tmp_path, write, given, keywords, kind):
    write(tmp_path)
    assert same_rows(ek.ArrayFeatures(kind(tmp_path / given), **keywords).transform(stimuli()))


def test_a_mapping_may_hold_paths(tmp_path):
    write_npz(tmp_path)
    paths = {name: tmp_path / f"{name}.npz" for name in STORIES}
    assert same_rows(ek.ArrayFeatures(paths, key="features").transform(stimuli()))


def test_one_array_serves_both_runs_in_which_a_story_was_heard():
    twice = [stimulus("alice", run="run-1"), stimulus("fox"), stimulus("alice", run="run-2")]
    features = ek.ArrayFeatures(ARRAYS).transform(twice)
    for run in ("run-1", "run-2"):
        np.testing.assert_array_equal(values_of(features, run), ARRAYS["alice"])


def test_runs_have_arrays_of_their_own_by_their_names():
    twice = [stimulus("alice", run="run-1"), stimulus("alice", run="run-2")]
    own = {"run-1": ARRAYS["alice"], "run-2": -ARRAYS["alice"]}
    features = ek.ArrayFeatures(own).transform(twice)
    np.testing.assert_array_equal(values_of(features, "run-2"), -ARRAYS["alice"])


def test_an_array_under_both_names_is_refused():
    both = {"alice": ARRAYS["alice"], "run-1": ARRAYS["alice"]}
    with pytest.raises(ValueError, match="'alice' and another for the run 'run-1'.*keep one"):
        ek.ArrayFeatures(both).transform([stimulus("alice", run="run-1")])


def test_what_an_extractor_gave_is_taken_as_it_is():
    study = small_study(n_stories=2, seconds=16.0)
    expected = ek.WordRate().transform(study.stimuli)
    assert (expected.tr.values < 0).sum() == 0
    found = ek.ArrayFeatures(expected).transform(study.stimuli)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.coords["name"].values.tolist() == ["word_rate"]


@pytest.mark.parametrize(
    ("arrays", "keywords", "told"),
    [
        ({"alise": ARRAYS["alice"]}, {}, "no array for run 'alice': unknown stimulus 'alice'"),
        ("features.npy", {}, r"one file for every stimulus: write \{stimulus\}"),
        ("features.txt", {}, r"one file for every stimulus: write \{stimulus\}"),
        ({}, {}, "no array for run 'alice'"),
    ],
)
def test_an_array_that_is_not_there_is_refused(arrays, keywords, told):
    with pytest.raises(ValueError, match=told):
        ek.ArrayFeatures(arrays, **keywords).fit([stimulus("alice")])


def test_files_that_are_not_there_or_not_clear_are_refused(tmp_path):
    write_npy(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"alice\.hf5' is not there"):
        ek.ArrayFeatures(tmp_path / "{stimulus}.hf5").fit(stimuli())
    write_npz(tmp_path)
    with pytest.raises(ValueError, match=r"has alice\.npy and alice\.npz: keep one"):
        ek.ArrayFeatures(tmp_path).fit(stimuli())
    with pytest.raises(ValueError, match=r"holds 2 arrays \(features, other\): say which by key="):
        ek.ArrayFeatures(tmp_path / "{stimulus}.npz").fit(stimuli())
    with pytest.raises(ValueError, match="unknown array 'feature': did you mean 'features'"):
        ek.ArrayFeatures(tmp_path / "{stimulus}.npz", key="feature").fit(stimuli())
    with pytest.raises(ValueError, match="holds one array without a name: leave key='a' out"):
        ek.ArrayFeatures(tmp_path / "{stimulus}.npy", key="a").fit(stimuli())
    with pytest.raises(ValueError, match="with key='features' is one array for every stimulus"):
        ek.ArrayFeatures(tmp_path / "alice.npz", key="features").fit(stimuli())
    (tmp_path / "alice.mat").write_bytes(b"MATLAB")
    with pytest.raises(ValueError, match=r"no file of arrays .*\.npy, \.npz"):
        ek.ArrayFeatures(tmp_path / "{stimulus}.mat").fit([stimulus("alice")])
    with pytest.raises(TypeError, match="arrays is a list, expected a mapping"):
        ek.ArrayFeatures([ARRAYS["alice"]]).fit([stimulus("alice")])


@pytest.mark.parametrize("ending", ["npy", "npz", "h5"])
def test_damaged_files_and_pointers_are_refused(tmp_path, ending):
    path = tmp_path / f"alice.{ending}"
    if ending == "npy":
        np.save(path, np.ones((2000, 3)))
    elif ending == "npz":
        np.savez(path, np.ones((2000, 3)))
    else:
        with h5py.File(path, "w") as file:
            file["a"] = np.ones((2000, 3))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="alice.* is damaged or cut short"):
        ek.ArrayFeatures(tmp_path).fit([stimulus("alice")])
    path.write_text("<!DOCTYPE html><title>404</title>")
    for given in (tmp_path, path):
        with pytest.raises(ValueError, match="alice.* is damaged or cut short, or no"):
            ek.ArrayFeatures(given if given.is_dir() else {"alice": path}).fit([stimulus("alice")])
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(FileNotFoundError, match="is not downloaded: it is a Git LFS pointer"):
        ek.ArrayFeatures(tmp_path).fit([stimulus("alice")])


def test_an_archive_that_is_damaged_is_refused_before_its_names_are_read(tmp_path):
    for ending in ("npz", "h5"):
        path = tmp_path / f"all.{ending}"
        path.write_bytes(b"PK broken, or a page of a server")
        with pytest.raises(ValueError, match="all.* is damaged or cut short, or no"):
            ek.ArrayFeatures(path).fit([stimulus("alice")])


def test_hdf5_without_its_package_names_the_pip_line(tmp_path, monkeypatch):
    write_one_hdf5(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install 'encodekit\[arrays\]'"):
        ek.ArrayFeatures(tmp_path / "all.h5").fit([stimulus("alice")])


def test_python_objects_are_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    np.save(tmp_path / "alice.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="holds Python objects, which only pickle reads"):
        ek.ArrayFeatures(tmp_path).fit([stimulus("alice")])


# Which rows are the TRs


@pytest.mark.parametrize("change", [-3, -1, 1, 15])
def test_another_number_of_rows_is_refused_with_the_counts(change):
    array = RNG.standard_normal((12 + change, 3))
    advice = r"trim the study too" if change < 0 else r"rows=slice\(10, -5\)"
    with pytest.raises(
        ValueError, match=rf"has {12 + change} rows, but the run has 12 TRs: .*{advice}"
    ):
        ek.ArrayFeatures({"alice": array}).transform([stimulus("alice")])


def test_an_array_on_its_side_is_told():
    with pytest.raises(ValueError, match=r"The array is \(3, 12\), so it lies on its side"):
        ek.ArrayFeatures({"alice": ARRAYS["alice"].T}).transform([stimulus("alice")])


@pytest.mark.parametrize("shape", [(12, 3, 2), (0, 3), (12, 0), ()])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="has the shape .* expected \\(n_trs, n_features\\)"):
        ek.ArrayFeatures({"alice": np.zeros(shape)}).fit([stimulus("alice")])


def test_one_feature_may_have_one_axis():
    features = ek.ArrayFeatures({"alice": np.arange(12)}).transform([stimulus("alice")])
    assert features.values[:, 0].tolist() == list(range(12))


@pytest.mark.parametrize("dtype", ["f8", "f2", "i2", "u1", "i8", "?", ">f4"])
def test_numbers_of_any_type_become_float32(dtype):
    array = (10 * ARRAYS["fox"]).astype(dtype)
    features = ek.ArrayFeatures({"fox": array}).transform([stimulus("fox")])
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features.values, array.astype("f4"))


@pytest.mark.parametrize("array", [np.full((12, 1), 1j), np.full((12, 1), "a")])
def test_what_is_no_number_is_refused(array):
    with pytest.raises(
        TypeError, match=r"ArrayFeatures: arrays\['alice'\]: values are .* expected"
    ):
        ek.ArrayFeatures({"alice": array}).fit([stimulus("alice")])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_nan_and_what_float32_cannot_hold_is_refused_by_row(bad):
    array = ARRAYS["alice"].astype("f8")
    array[[7, 8], 1] = bad
    with pytest.raises(ValueError, match="beyond float32 in 2 of 12 rows, the first is row 7"):
        ek.ArrayFeatures({"alice": array}).transform([stimulus("alice")])


def test_names_are_taken_and_counted():
    features = ek.ArrayFeatures(ARRAYS, names=["a", "b", "c"]).transform(stimuli())
    assert features.coords["name"].values.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="names has 2 entries, but .* has 3 features"):
        ek.ArrayFeatures(ARRAYS, names=["a", "b"]).transform(stimuli())


def test_stimuli_with_other_features_are_refused():
    with pytest.raises(ValueError, match="features differ from those of the first run"):
        ek.ArrayFeatures(ARRAYS | {"fox": np.ones((9, 2))}).transform(stimuli())


# Trimmed runs, segments, history


def trimmed():
    """Return a run whose TRs are 10:-5 of 40, and the array of all 40."""
    array = RNG.standard_normal((40, 2)).astype("f4")
    onsets = T_R * np.arange(40)[10:-5]
    return Stimulus("alice", tr_times=onsets, t_r=T_R), array


def test_rows_say_which_rows_of_a_whole_array_are_the_trs():
    run, array = trimmed()
    features = ek.ArrayFeatures({"alice": array}, rows=slice(10, -5)).transform([run])
    here = features.tr.values >= 0
    np.testing.assert_array_equal(features.values[here], array[10:-5])
    np.testing.assert_array_equal(features.values[~here], array[:10])
    assert features.tr.values[~here].tolist() == list(range(-10, 0))


@pytest.mark.parametrize("rows", [slice(9, -5), slice(10, -4), slice(10, None)])
def test_rows_of_another_number_are_refused(rows):
    run, array = trimmed()
    n = len(range(40)[rows])
    with pytest.raises(
        ValueError, match=rf"has 40 rows, of which rows=.* takes {n}, but .* 25 TRs"
    ):
        ek.ArrayFeatures({"alice": array}, rows=rows).transform([run])


@pytest.mark.parametrize("rows", [slice(10, -5, 2), 10, range(10, 35)])
def test_rows_are_a_slice(rows):
    run, array = trimmed()
    with pytest.raises(ValueError, match="expected a slice such as"):
        ek.ArrayFeatures({"alice": array}, rows=rows).transform([run])


def make_delayed(array, delays):
    """Delay as the Huth lab and the voxelwise tutorials do: zeros stand before the first row."""
    return np.hstack([np.vstack([np.zeros((d, array.shape[1])), array[: len(array) - d]])
                      for d in delays])  # fmt: skip


def test_whole_arrays_are_delayed_from_what_was_heard_before():
    run, array = trimmed()
    whole = ek.ArrayFeatures({"alice": array}, rows=slice(10, -5))
    delayed = make_pipeline(whole, ek.Delayer([1, 2, 3, 4])).transform([run])
    np.testing.assert_array_equal(delayed.values, make_delayed(array, [1, 2, 3, 4])[10:-5])


def test_trimmed_arrays_are_delayed_with_zeros_where_asked_for_and_else_refused():
    run, array = trimmed()
    short = {"alice": array[10:-5]}
    with pytest.raises(ValueError, match="starts at TR 0 but TR -4 is needed"):
        make_pipeline(ek.ArrayFeatures(short), ek.Delayer([1, 4])).transform([run])
    zeros = ek.ArrayFeatures(short, before="zero")
    delayed = make_pipeline(zeros, ek.Delayer([1, 2, 3, 4])).transform([run])
    np.testing.assert_array_equal(delayed.values, make_delayed(array[10:-5], [1, 2, 3, 4]))


def test_zeros_stand_before_what_history_there_is():
    run, array = trimmed()
    features = ek.ArrayFeatures({"alice": array[8:]}, rows=slice(2, -5), before="zero")
    rows = features.transform([run])
    assert rows.tr.values[0] == -10
    np.testing.assert_array_equal(rows.values[8:], array[8:-5])
    assert not rows.values[:8].any()


def test_before_the_audio_zeros_stand_as_in_published_code():
    delayed = make_pipeline(ek.ArrayFeatures(ARRAYS), ek.Delayer([1, 2, 3, 4])).transform(stimuli())
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(
            values_of(delayed, name), make_delayed(array, [1, 2, 3, 4]).astype("f4")
        )


def test_before_is_checked():
    with pytest.raises(ValueError, match="unknown before 'zeros': did you mean 'zero'"):
        ek.ArrayFeatures(ARRAYS, before="zeros").transform(stimuli())


def test_a_trimmed_study_takes_arrays_of_both_kinds():
    study = small_study(n_stories=2, seconds=40.0, missing=False)
    whole = {s.name: RNG.standard_normal((s.n_trs, 2)).astype("f4") for s in study.stimuli}
    short = study.trim(start="8s", end="4s")
    n = [round(seconds / study.stimuli[0].t_r) for seconds in (8, 4)]
    full = ek.ArrayFeatures(whole, rows=slice(n[0], -n[1])).transform(short.stimuli)
    cut = {name: array[n[0] : -n[1]] for name, array in whole.items()}
    bare = ek.ArrayFeatures(cut).transform(short.stimuli)
    np.testing.assert_array_equal(full.values[full.tr.values >= 0], bare.values)


def test_segments_are_refused_without_seconds_and_found_with_them():
    study = small_study(n_stories=1, seconds=60.0, missing=False)
    name = study.stimuli[0].name
    parts = study.segment(name, 2, gap="8s")
    array = RNG.standard_normal((study.stimuli[0].n_trs, 2)).astype("f4")
    plain = ek.ArrayFeatures({name: array})
    with pytest.raises(ValueError, match="is of the whole run, and does not say which rows"):
        plain.transform(parts.stimuli)
    labelled = plain.transform(study.stimuli)
    features = ek.ArrayFeatures(labelled).transform(parts.stimuli)
    expected = np.searchsorted(labelled.seconds.values, features.seconds.values)
    np.testing.assert_array_equal(features.values, array[expected])
    assert (features.tr.values < 0).any()  # the second segment has history


def test_rows_of_other_seconds_are_refused():
    rows = ek.ArrayFeatures(ARRAYS).transform([stimulus("alice")])
    shifted = Stimulus("alice", tr_times=1.0 + T_R * np.arange(12), t_r=T_R)
    with pytest.raises(ValueError, match="none for 12 of 12 TRs of run 'alice', the first at 1 s"):
        ek.ArrayFeatures({"alice": rows}).transform([shifted])


# Frames


class Reference(ek.FeatureExtractor):
    """The same frames from an extractor."""

    history = 32.0

    def __init__(self, frames_of, history=32.0, resample="lanczos", cache=None):
        self.frames_of = frames_of
        self.history, self.resample, self.cache = history, resample, cache

    def frames(self, stimulus):
        values, seconds = self.frames_of[stimulus.name]
        return xr.DataArray(values, {"seconds": ("time", seconds)}, ("time", "feature"))


@pytest.fixture
def frames():
    seconds = {name: 0.05 + 0.1 * np.arange(n * 20) for name, n in STORIES.items()}
    values = {name: RNG.standard_normal((time.size, 2)) for name, time in seconds.items()}
    return values, seconds


@pytest.mark.parametrize("resample", ["lanczos", "mean", "sum", ek.Lanczos(window=2)])
def test_frames_are_resampled_as_those_of_any_extractor(frames, resample):
    values, seconds = frames
    ours = ek.ArrayFeatures(values, times=seconds, resample=resample).transform(stimuli())
    both = {name: (values[name], seconds[name]) for name in STORIES}
    expected = Reference(both, resample=resample).transform(stimuli())
    np.testing.assert_array_equal(ours.values, expected.values)


def test_frames_and_times_lie_in_files_or_dataarrays(frames, tmp_path):
    values, seconds = frames
    expected = ek.ArrayFeatures(values, times=seconds).transform(stimuli()).values
    for name in STORIES:
        np.savez(tmp_path / f"{name}.npz", frames=values[name], seconds=seconds[name])
        np.save(tmp_path / f"{name}_frames.npy", values[name])
        np.save(tmp_path / f"{name}_seconds.npy", seconds[name])
    one = ek.ArrayFeatures(f"{tmp_path}/{{stimulus}}.npz", key="frames", times="seconds")
    two = ek.ArrayFeatures(
        f"{tmp_path}/{{stimulus}}_frames.npy", times=f"{tmp_path}/{{stimulus}}_seconds.npy"
    )
    rows = {
        name: xr.DataArray(values[name], {"seconds": ("time", seconds[name])}, ("time", "feature"))
        for name in STORIES
    }
    for extractor in (one, two, ek.ArrayFeatures(rows)):
        np.testing.assert_array_equal(extractor.transform(stimuli()).values, expected)


def test_times_of_another_number_are_refused(frames):
    values, seconds = frames
    short = seconds | {"alice": seconds["alice"][1:]}
    with pytest.raises(ValueError, match=r"times of run 'alice' .* shape \(239,\), but .* 240 fr"):
        ek.ArrayFeatures(values, times=short).transform(stimuli())


# A feature extractor as any other


def test_it_keeps_the_contract():
    study = small_study(n_stories=2, seconds=8.0, missing=False)
    arrays = {s.name: RNG.standard_normal((s.n_trs, 3)) for s in study.stimuli}
    passed = check_feature_extractor(ek.make_features("array", arrays=arrays), study)
    assert len(passed) == len(FEATURE_CHECKS)


def test_another_content_has_another_key(tmp_path):
    cached = ek.ArrayFeatures(dict(ARRAYS), cache=tmp_path)
    cached.transform(stimuli())
    cached.transform(stimuli())
    assert len(list(tmp_path.iterdir())) == 2
    other = ARRAYS["fox"].copy()
    other[3, 1] += 1e-3
    changed = ek.ArrayFeatures(ARRAYS | {"fox": other}, cache=tmp_path).transform(stimuli())
    np.testing.assert_array_equal(values_of(changed, "fox"), other)
    assert len(list(tmp_path.iterdir())) == 3


def test_it_is_cloned_and_pickled():
    expected = ek.ArrayFeatures(ARRAYS, rows=slice(None)).fit(stimuli())
    for copy in (sklearn.clone(expected), pickle.loads(pickle.dumps(expected))):
        assert copy.transform(stimuli()).identical(expected.transform(stimuli()))


def test_arrays_are_saved_inside_and_files_by_their_hash(tmp_path):
    write_npy(tmp_path)
    inside = ek.ArrayFeatures(ARRAYS, rows=slice(0, None)).fit(stimuli())
    assert same_rows(ek.load(ek.save(inside, tmp_path / "inside")).transform(stimuli()))
    outside = ek.ArrayFeatures(tmp_path / "{stimulus}.npy").fit(stimuli())
    loaded = ek.load(ek.save(outside, tmp_path / "outside"))
    assert same_rows(loaded.transform(stimuli()))
    np.save(tmp_path / "fox.npy", ARRAYS["fox"] + 1)
    with pytest.raises(ValueError, match="fox.* holds another array than when the model was fitt"):
        loaded.transform(stimuli())
    assert not list(tmp_path.rglob("*.pkl"))


def test_files_that_moved_are_named_when_loading(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    write_npy(old)
    pattern = f"{old}/{{stimulus}}.npy"
    saved = ek.save(ek.ArrayFeatures(pattern).fit(stimuli()), tmp_path / "model")
    old.rename(new)
    loaded = ek.load(saved, moved={pattern: f"{new}/{{stimulus}}.npy"})
    assert same_rows(loaded.transform(stimuli()))


def test_bands_join_arrays_with_other_extractors():
    study = small_study(n_stories=2, seconds=16.0, missing=False)
    arrays = {s.name: RNG.standard_normal((s.n_trs, 3)) for s in study.stimuli}
    spaces = ek.FeatureSpaces([("mine", ek.ArrayFeatures(arrays)), ("rate", ek.WordRate())])
    features = make_pipeline(spaces, ek.Delayer()).fit_transform(study.stimuli)
    assert set(features.band.values) == {"mine", "rate"}


# The layout of the voxelwise tutorials: features/wordnet.hdf, responses/S01_responses.hdf


@pytest.fixture(scope="module")
def shortclips(tmp_path_factory):
    """Write its files: 4 runs of 30 TRs to train, 2 repeats of one run of 27 TRs to test."""
    root = tmp_path_factory.mktemp("shortclips")
    rng = np.random.default_rng(1)
    onsets = np.arange(0, 120, 30)
    X_train, X_test = (rng.integers(0, 2, (n, 5)).astype("f4") for n in (120, 27))
    weights = rng.standard_normal((20, 4))
    delayed = np.vstack([make_delayed(run, [1, 2, 3, 4]) for run in np.split(X_train, onsets[1:])])
    Y_train = delayed @ weights + rng.standard_normal((120, 4))
    Y_test = make_delayed(X_test, [1, 2, 3, 4]) @ weights + rng.standard_normal((2, 27, 4))
    for name in ("features", "responses"):
        (root / name).mkdir()
    with h5py.File(root / "features" / "wordnet.hdf", "w") as file:
        file["X_train"], file["X_test"], file["run_onsets"] = X_train, X_test, onsets
    with h5py.File(root / "responses" / "S01_responses.hdf", "w") as file:
        file["Y_train"], file["Y_test"] = Y_train.astype("f4"), Y_test.astype("f4")
    return root


def tutorials(root):
    """Return the weights and test scores by the tutorials' own steps, at one alpha."""
    with h5py.File(root / "features" / "wordnet.hdf") as file:
        X_train, X_test, onsets = (file[key][:] for key in ("X_train", "X_test", "run_onsets"))
    with h5py.File(root / "responses" / "S01_responses.hdf") as file:
        Y_train, Y_test = file["Y_train"][:], file["Y_test"][:].mean(axis=0)
    # Run-wise delays, which their Delayer has not: it runs across the borders.
    X = np.vstack([make_delayed(run, [1, 2, 3, 4]) for run in np.split(X_train, onsets[1:])])
    centred = X - X.mean(0)
    weights = np.linalg.solve(
        centred.T @ centred + 10 * np.eye(20), centred.T @ (Y_train - Y_train.mean(0))
    )
    predicted = (make_delayed(X_test, [1, 2, 3, 4]) - X.mean(0)) @ weights + Y_train.mean(0)
    r = [np.corrcoef(predicted[:, k], Y_test[:, k])[0, 1] for k in range(4)]
    return weights, np.asarray(r)


def test_the_layout_of_the_voxelwise_tutorials_takes_five_lines(shortclips):
    with h5py.File(shortclips / "features/wordnet.hdf") as file:
        runs = [*np.split(file["X_train"][:], file["run_onsets"][1:]), file["X_test"][:]]
    with h5py.File(shortclips / "responses/S01_responses.hdf") as file:
        Y = [*np.split(file["Y_train"][:], len(runs) - 1), file["Y_test"][:].mean(axis=0)]

    stories = [Stimulus(f"clips-{n}", t_r=2.0, duration=2.0 * len(X)) for n, X in enumerate(runs)]
    responses = RunList(make_response(y, run=s.name, participant="S01", tr_times=s.grid, t_r=2.0)
                        for s, y in zip(stories, Y, strict=True))  # fmt: skip
    wordnet = ek.ArrayFeatures({s.name: X for s, X in zip(stories, runs, strict=True)})
    model = make_pipeline(wordnet, ek.Delayer(delays=[1, 2, 3, 4]), ek.RidgeCV([10.0]))
    r = ek.correlation(
        responses[-1:], model.fit(stories[:-1], responses[:-1]).predict(stories[-1:])
    )

    weights, expected = tutorials(shortclips)
    np.testing.assert_allclose(model[-1].coef_.values, weights, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(r.values, expected, atol=1e-5)
    scores = cross_validate(model, stories, responses, cv=GroupKFold(5), groups=range(5))
    assert np.isfinite(scores["test_score"]).all()


def labelled_by_tr(trs):
    values = np.asarray(trs, dtype="f4")[:, None]
    return xr.DataArray(values, {"tr": ("time", np.asarray(trs))}, ("time", "feature"))


def test_rows_with_tr_alone_are_met_from_tr_0_on():
    rows = ek.ArrayFeatures({"fox": labelled_by_tr(np.arange(-3, 9))}).transform([stimulus("fox")])
    np.testing.assert_array_equal(rows.values[:, 0], rows.tr)
    assert rows.tr.values[-9:].tolist() == list(range(9))
    chosen = ek.ArrayFeatures({"fox": labelled_by_tr(np.arange(20))}, rows=slice(4, 13))
    rows = chosen.transform([stimulus("fox")])
    np.testing.assert_array_equal(rows.values[rows.tr.values >= 0, 0], np.arange(4, 13))


@pytest.mark.parametrize(
    "trs", [np.arange(9)[::-1], np.arange(9) + 3, [0, 1, 2, 4, 3, 5, 6, 7, 8], np.arange(9) * 2]
)
def test_rows_whose_tr_is_another_are_refused(trs):
    with pytest.raises(ValueError, match=r"has tr from .*, expected 0 to 8 in this order: sort"):
        ek.ArrayFeatures({"fox": labelled_by_tr(trs)}).transform([stimulus("fox")])


@pytest.mark.parametrize("unit", [1000, 16000])
def test_times_in_milliseconds_or_samples_are_refused(unit):
    seconds = np.arange(1800) / 100
    frames = ek.ArrayFeatures({"fox": np.ones((1800, 1))}, times={"fox": seconds})
    assert frames.transform([stimulus("fox")]).sizes["time"] == STORIES["fox"]
    frames.times = {"fox": seconds * unit}
    with pytest.raises(ValueError, match="last TR begins at 16 s: give seconds, not milliseconds"):
        frames.transform([stimulus("fox")])


def test_frames_without_times_name_what_says_when_they_were():
    with pytest.raises(ValueError, match="has 1800 rows, but the run has 9 TRs.* by times="):
        ek.ArrayFeatures({"fox": np.ones((1800, 1))}).transform([stimulus("fox")])
