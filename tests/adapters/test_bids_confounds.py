"""All that nilearn's load_confounds takes, taken out of the responses run by run."""

import json

import numpy as np
import pandas as pd
import pytest

import encodekit as ek

N = 120
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:nilearn")


def fmriprep_table(seed=0, n=N, spikes=()):
    """Return a table with what the strategies of nilearn ask for."""
    rng = np.random.default_rng(seed)
    table = {}
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    for name in [*names, "csf", "white_matter", "global_signal"]:
        values = rng.standard_normal(n)
        steps = np.r_[np.nan, np.diff(values)]
        table |= {name: values, f"{name}_derivative1": steps, f"{name}_power2": values**2,
                  f"{name}_derivative1_power2": steps**2}  # fmt: skip
    for k in range(3):
        table[f"cosine0{k}"] = np.cos(np.pi * (k + 1) * (np.arange(n) + 0.5) / n)
        table[f"a_comp_cor_0{k}"] = rng.standard_normal(n)
        table[f"aroma_motion_0{k}"] = rng.standard_normal(n)
    table["framewise_displacement"] = np.r_[np.nan, np.full(n - 1, 0.1)]
    table["std_dvars"] = np.r_[np.nan, np.full(n - 1, 1.0)]
    table["framewise_displacement"][list(spikes)] = 3.0
    table["non_steady_state_outlier00"] = np.eye(n)[0]
    return pd.DataFrame(table)


META = {f"a_comp_cor_0{k}": {"Method": "aCompCor", "Mask": "combined", "Retained": True,
                             "SingularValue": 3.0 - k, "VarianceExplained": 0.1,
                             "CumulativeVarianceExplained": 0.1 * (k + 1)}
        for k in range(3)}  # fmt: skip


@pytest.fixture
def scan(layouts, tmp_path):
    """Write one scan of 120 TRs and its table below ``scan.root``; return (values, table)."""

    def write(name="sub-01_task-story", seed=0, spikes=(), onset=0.0, **given):
        table = fmriprep_table(seed, spikes=spikes)
        values = layouts.write_scan(write.root, name, n_trs=N, seed=seed, confounds=table,
                                    onset=onset, **given)  # fmt: skip
        func = write.root / "derivatives/fmriprep" / name.split("_")[0] / "func"
        (func / f"{name}_desc-confounds_timeseries.json").write_text(json.dumps(META))
        return values.astype(np.float64), table

    write.root = tmp_path / "set_desc-z"
    return write


def load(root, space="fsaverage5", **given):
    return ek.load_study("bids", root=root, task="story", space=space, **given)


def residuals(values, columns, kept=slice(None)):
    """Return by hand what least squares on columns leaves, with the mean of the kept rows."""
    design = np.column_stack([np.ones(len(values)), *columns])[kept]
    left = np.full_like(values, np.nan)
    fit = design @ np.linalg.lstsq(design, values[kept], rcond=None)[0]
    left[kept] = values[kept] - fit + values[kept].mean(axis=0)
    return left


MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
FULL = [f"{name}{kind}" for name in MOTION
        for kind in ("", "_derivative1", "_power2", "_derivative1_power2")]  # fmt: skip
COSINES = [f"cosine0{k}" for k in range(3)]
TISSUE = ["csf", "white_matter"]
COMPONENTS = [f"a_comp_cor_0{k}" for k in range(3)]
GIVEN = {
    "a sequence": (("high_pass", "wm_csf"), [*COSINES, *TISSUE]),
    "a list": (["high_pass", "global_signal"], [*COSINES, "global_signal"]),
    "keyword arguments": (
        {"strategy": ["motion", "high_pass"], "motion": "basic"}, [*MOTION, *COSINES]),
    "derivatives": (
        {"strategy": ("wm_csf", "high_pass"), "wm_csf": "derivatives"},
        [*TISSUE, *(f"{name}_derivative1" for name in TISSUE), *COSINES]),
    "components": (
        {"strategy": ["compcor", "high_pass"], "compcor": "anat_combined", "n_compcor": 2},
        [*COMPONENTS[:2], *COSINES]),
    "a preset": ("simple", [*FULL, *TISSUE, *COSINES]),
    "the preset compcor": ("compcor", [*FULL, *COMPONENTS, *COSINES]),
    "a preset's parameters": (
        {"denoise_strategy": "simple", "motion": "basic", "global_signal": "basic"},
        [*MOTION, *TISSUE, *COSINES, "global_signal"]),
    "nilearn's own defaults": ({"motion": "basic"}, [*MOTION, *COSINES, *TISSUE]),
}  # fmt: skip


def columns(table, names):
    """Return columns as nilearn fills them: the first value of a derivative is the second."""
    return [table[name].bfill() for name in names]


@pytest.mark.parametrize("what", GIVEN)
def test_what_is_left_is_what_least_squares_leaves(scan, what):
    """The first volume is no steady state and is censored, by nilearn's rule."""
    values, table = scan()
    given, names = GIVEN[what]
    (response,) = load(scan.root, confounds=given).responses()
    expected = residuals(values, columns(table, names), kept=slice(1, None))
    np.testing.assert_allclose(response.values, expected, atol=2e-5)


@pytest.mark.parametrize("given", [
    {"strategy": ["high_pass", "scrub"], "scrub": 0, "fd_threshold": 0.5},
    {"denoise_strategy": "scrubbing", "motion": "basic", "wm_csf": "basic", "scrub": 0},
])  # fmt: skip
def test_what_is_scrubbed_is_nan(scan, given):
    _, _ = scan(spikes=(40, 41, 77))
    (response,) = load(scan.root, confounds=given).responses()
    gone = np.flatnonzero(np.isnan(response.values).all(axis=1))
    assert gone.tolist() == [0, 40, 41, 77]
    assert np.isfinite(np.delete(response.values, gone, axis=0)).all()


def test_each_repeat_has_its_own_mask_and_table(scan):
    firsts = {}
    for k, spikes in ((1, (30,)), (2, (50, 51))):
        firsts[k] = scan(f"sub-01_task-story_run-{k}", seed=k, spikes=spikes)
    given = {"strategy": ["wm_csf", "high_pass", "scrub"], "scrub": 0, "fd_threshold": 0.5}
    repeats = load(scan.root, confounds=given).repeats()
    for k, gone in ((1, [0, 30]), (2, [0, 50, 51])):
        values, table = firsts[k]
        kept = np.delete(np.arange(N), gone)
        expected = residuals(values, columns(table, [*TISSUE, *COSINES]), kept)
        np.testing.assert_allclose(repeats.values[k - 1], expected, atol=2e-5)


def test_only_the_rows_of_the_sound_take_part(scan):
    """The sound begins at 20 s: volumes from the 11th, with their rows of the table."""
    values, table = scan(onset=20.0)
    (response,) = load(scan.root, confounds=("wm_csf", "high_pass")).responses()
    expected = residuals(values[10:], columns(table[10:], [*TISSUE, *COSINES]))
    np.testing.assert_allclose(response.values, expected, atol=2e-5)


class TestDrifts:
    """A drift of one cycle in 480 s lies below 1/128 Hz."""

    def drifting(self, scan, layouts):
        slow = np.sin(2 * np.pi * np.arange(N) * 2.0 / 480)
        values = np.random.default_rng(0).standard_normal((N, 6)) + 10 * slow[:, None]
        layouts.write_scan(scan.root, "sub-01_task-story", n_trs=N, values=values,
                           confounds=fmriprep_table())  # fmt: skip
        return values, slow

    def test_they_are_taken_out_where_the_strategy_has_no_high_pass(self, scan, layouts):
        values, slow = self.drifting(scan, layouts)
        (response,) = load(scan.root, confounds={"strategy": ["wm_csf"]}).responses()
        n_cosines = int(2 * N * 2.0 / 128)
        times = (np.arange(N) + 0.5) / N
        own = [np.cos(np.pi * k * times) for k in range(1, n_cosines + 1)]
        table = fmriprep_table()
        expected = residuals(values, [*own, *columns(table, TISSUE)], slice(1, None))
        np.testing.assert_allclose(response.values, expected, atol=2e-4)
        assert abs(np.corrcoef(response.values[1:, 0], slow[1:])[0, 1]) < 0.2

    def test_they_are_taken_out_once_where_it_has(self, scan, layouts):
        """fMRIPrep's three cosines are all: with 1/128 Hz there would be one more."""
        values, _ = self.drifting(scan, layouts)
        (response,) = load(scan.root, confounds={"strategy": ["high_pass"]}).responses()
        expected = residuals(values, columns(fmriprep_table(), COSINES), slice(1, None))
        np.testing.assert_allclose(response.values, expected, atol=2e-4)

    def test_none_takes_nothing_out(self, scan, layouts):
        values, _ = self.drifting(scan, layouts)
        (response,) = load(scan.root, confounds=None).responses()
        np.testing.assert_array_equal(response.values, values.astype("float32"))


def test_confounds_are_found_by_inheritance(scan):
    """Those of an acquisition hold for each of its echoes, and for no other acquisition."""
    values, table = scan("sub-01_task-story_acq-a_echo-1")
    func = scan.root / "derivatives/fmriprep/sub-01/func"
    for path in list(func.glob("*confounds*")):
        path.rename(path.with_name(path.name.replace("_echo-1", "")))
    (response,) = load(scan.root, confounds=("wm_csf", "high_pass")).responses()
    expected = residuals(values, columns(table, [*TISSUE, *COSINES]), slice(1, None))
    np.testing.assert_allclose(response.values, expected, atol=2e-5)
    for path in list(func.glob("*confounds*")):
        path.rename(path.with_name(path.name.replace("acq-a", "acq-b")))
    with pytest.raises(FileNotFoundError, match="no desc-confounds_timeseries.tsv of it"):
        load(scan.root, confounds=("wm_csf",))


def test_the_older_name_of_the_table_is_read(scan):
    values, table = scan()
    func = scan.root / "derivatives/fmriprep/sub-01/func"
    for path in list(func.glob("*_timeseries.*")):
        path.rename(path.with_name(path.name.replace("_timeseries", "_regressors")))
    (response,) = load(scan.root, confounds=("wm_csf", "high_pass")).responses()
    expected = residuals(values, columns(table, [*TISSUE, *COSINES]), slice(1, None))
    np.testing.assert_allclose(response.values, expected, atol=2e-5)


ASKED_WRONGLY = [
    {"strategy": ["motoin"]},
    {"strategy": "motion"},
    {"strategy": ["compcor"]},
    {"strategy": ["motion"], "motion": "fully"},
    {"strategy": ["motion"], "nonsense": 1},
    {"strategy": ["ica_aroma", "high_pass"], "ica_aroma": "full"},
    {"strategy": ["compcor", "high_pass"], "compcor": "temporal"},
    {"denoise_strategy": "simpel"},
    ("tedana",),
]


@pytest.mark.parametrize("given", ASKED_WRONGLY)
def test_what_nilearn_says_is_passed_on_with_the_run(scan, given):
    scan()
    with pytest.raises(ValueError, match="^sub-01, task-story: ") as told:
        load(scan.root, confounds=given)
    assert str(told.value) == f"sub-01, task-story: {told.value.__cause__}"
    assert type(told.value.__cause__).__module__ != "encodekit_adapters"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("simpel", "unknown preset 'simpel': did you mean 'simple'"),
        ("motion", r"a strategy of one is confounds=\('motion',\)"),
        ({"denoise_strategy": "simple", "strategy": ["motion"]}, "has both 'denoise_strategy' and"),
    ],
)
def test_what_is_no_strategy_is_refused_before_anything_is_read(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "nowhere", confounds=given)


@pytest.mark.parametrize("desc", ["smoothed", "denoised", "smooth6mm"])
def test_an_image_of_ones_own_has_the_confounds_of_its_run(scan, desc):
    space = "MNI152NLin6Asym"
    values, table = scan(space=space)
    func = scan.root / "derivatives/fmriprep/sub-01/func"
    for path in list(func.glob("*desc-preproc*")):
        path.rename(path.with_name(path.name.replace("preproc", desc)))
    chosen = {"desc": desc}
    (response,) = load(scan.root, space, confounds=("wm_csf",), entities=chosen).responses()
    (plain,) = load(scan.root, space, confounds=None, entities=chosen).responses()
    np.testing.assert_allclose(plain.values, values, rtol=1e-6)
    drifts = ek.ConfoundRemover()
    expected = drifts.transform(
        values, confounds=np.column_stack(columns(table, TISSUE)), t_r=2.0, runs=np.zeros(N),
        sample_mask=np.arange(N) > 0)  # fmt: skip
    np.testing.assert_allclose(response.values, expected, atol=2e-5)


def test_aroma_is_for_the_images_that_it_smoothed(scan):
    """With ica_aroma="full" the image is clean already: tissue and drifts are what is left."""
    space = "MNI152NLin6Asym"
    _, table = scan(space=space)
    func = scan.root / "derivatives/fmriprep/sub-01/func"
    for path in list(func.glob("*desc-preproc*")):
        path.rename(path.with_name(path.name.replace("preproc", "smoothAROMAnonaggr")))
    chosen = {"desc": "smoothAROMAnonaggr"}
    (response,) = load(scan.root, space, confounds="ica_aroma", entities=chosen).responses()
    (plain,) = load(scan.root, space, confounds=None, entities=chosen).responses()
    names = columns(table, [*TISSUE, *COSINES])
    expected = residuals(plain.values.astype(np.float64), names, slice(1, None))
    np.testing.assert_allclose(response.values, expected, atol=2e-5)


def test_a_long_run_without_cosines_does_not_keep_its_drifts_silently(scan):
    """fMRIPrep writes cosines for runs of 64 s or more: a table without them was edited."""
    scan()
    (path,) = scan.root.rglob("*_desc-confounds_timeseries.tsv")
    table = pd.read_csv(path, sep="\t", na_values="n/a").filter(regex="^(?!cosine)")
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    with pytest.raises(
        ValueError, match="sub-01, task-story: the strategy has high_pass, but .*no"
    ):
        load(scan.root, confounds=("wm_csf", "high_pass")).responses()[0].compute()
    load(scan.root, confounds=("wm_csf",)).responses()[0].compute()
