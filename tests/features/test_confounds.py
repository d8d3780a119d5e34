import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean

from encodekit.data import RunList, make_response
from encodekit.features import ConfoundRemover

RNG = np.random.default_rng(0)
BOLD = RNG.standard_normal((100, 4)).cumsum(axis=0) + 500
MOTION = RNG.standard_normal((100, 6))


def a_run(name="a", values=BOLD, tr=None):
    n = len(values)
    times = 2.0 * (np.arange(n) if tr is None else tr)
    return make_response(values, run=name, participant="P1", tr_times=times, t_r=2.0, tr=tr)


def test_it_equals_nilearn():
    ours = ConfoundRemover(high_pass=0.01).transform(BOLD, MOTION, t_r=2.0)
    theirs = clean(BOLD, confounds=MOTION, detrend=False, standardize=None, filter="cosine",
                   high_pass=0.01, t_r=2.0, ensure_finite=False)  # fmt: skip
    np.testing.assert_allclose(ours - ours.mean(0), theirs - theirs.mean(0), atol=1e-8)


def test_it_equals_nilearn_under_a_mask():
    mask = np.ones(100, dtype=bool)
    mask[[0, 17, 18, 60]] = False
    ours = ConfoundRemover(high_pass=0.01).transform(BOLD, MOTION, mask, t_r=2.0)
    theirs = clean(BOLD, confounds=MOTION, sample_mask=mask, detrend=False, standardize=None,
                   filter="cosine", high_pass=0.01, t_r=2.0, ensure_finite=False)  # fmt: skip
    assert np.isnan(ours[~mask]).all()
    kept = ours[mask]
    np.testing.assert_allclose(kept - kept.mean(0), theirs - theirs.mean(0), atol=1e-8)


def test_the_mean_of_the_run_stays():
    cleaned = ConfoundRemover(n_cosines=4).transform(BOLD)
    np.testing.assert_allclose(cleaned.mean(0), BOLD.mean(0))


def test_each_run_is_cleaned_by_itself():
    two = np.concatenate([BOLD[:50], BOLD[50:]])
    together = ConfoundRemover(n_cosines=3).transform(two, MOTION, runs=[0] * 50 + [1] * 50)
    alone = ConfoundRemover(n_cosines=3).transform(BOLD[50:], MOTION[50:])
    np.testing.assert_allclose(together[50:], alone)


def test_the_default_removes_what_is_slower_than_128_seconds():
    t = 2.0 * np.arange(300)
    slow, quick = np.cos(np.pi * (t + 1) / 600 * 4), np.sin(2 * np.pi * t / 30)
    cleaned = ConfoundRemover().transform(np.stack([slow, quick], 1), t_r=2.0)
    assert cleaned[:, 0].std() < 1e-10
    assert cleaned[:, 1].std() > 0.95 * quick.std()


def test_no_cosines_and_no_confounds_change_nothing():
    np.testing.assert_allclose(ConfoundRemover(n_cosines=0).transform(BOLD), BOLD)


def test_responses_keep_their_coordinates_and_lists_stay_lists():
    runs = RunList([a_run("a"), a_run("b", BOLD[:60])])
    confounds = {"a": MOTION, "b": pd.DataFrame(MOTION[:60])}
    mask = {"a": None, "b": np.arange(60) > 2}
    cleaned = ConfoundRemover(n_cosines=3).transform(runs, confounds, mask)
    assert isinstance(cleaned, RunList)
    assert cleaned[1].target.equals(runs[1].target)
    assert np.isnan(cleaned[1].values).all(axis=1).sum() == 3
    expected = ConfoundRemover(n_cosines=3).transform(BOLD, MOTION)
    np.testing.assert_allclose(cleaned[0].values, expected)


def test_repeats_are_cleaned_each_by_itself():
    response = make_response(np.stack([BOLD, BOLD[::-1]]), run="a", participant="P1",
                             tr_times=2.0 * np.arange(100), t_r=2.0)  # fmt: skip
    cleaned = ConfoundRemover(n_cosines=3).transform(response, MOTION)
    np.testing.assert_allclose(
        cleaned.values[1], ConfoundRemover(n_cosines=3).transform(BOLD[::-1], MOTION)
    )


def test_drifts_follow_the_tr_where_rows_are_absent():
    kept = np.r_[0:30, 33:100]
    absent = ConfoundRemover(n_cosines=5).transform(a_run("a", BOLD[kept], kept)).values
    mask = np.isin(np.arange(100), kept)
    censored = ConfoundRemover(n_cosines=5).transform(a_run("a"), sample_mask=mask).values[mask]
    np.testing.assert_allclose(absent, censored)


def test_missing_participants_stay_missing_and_others_are_as_without_them():
    values = BOLD.copy()
    values[:, 1] = np.nan
    values[70:, 2] = np.nan
    cleaned = ConfoundRemover(n_cosines=3).transform(values, MOTION)
    full = ConfoundRemover(n_cosines=3).transform(BOLD, MOTION)
    assert np.isnan(cleaned[:, 1]).all()
    assert np.isnan(cleaned[70:, 2]).all()
    assert np.isfinite(cleaned[:70, 2]).all()
    np.testing.assert_allclose(cleaned[:, [0, 3]], full[:, [0, 3]])


def test_constant_and_repeated_confounds_do_no_harm():
    more = np.column_stack([MOTION, MOTION[:, 0], np.ones(100)])
    np.testing.assert_allclose(
        ConfoundRemover(n_cosines=3).transform(BOLD, more),
        ConfoundRemover(n_cosines=3).transform(BOLD, MOTION),
    )


def test_a_nan_confound_at_a_censored_tr_is_fine():
    motion, mask = MOTION.copy(), np.arange(100) > 0
    motion[0, 0] = np.nan
    assert np.isfinite(ConfoundRemover(n_cosines=3).transform(BOLD, motion, mask)[1:]).all()
    with pytest.raises(ValueError, match="confound 0 is NaN at a TR that is kept"):
        ConfoundRemover(n_cosines=3).transform(BOLD, motion)


def test_float32_stays_float32():
    cleaned = ConfoundRemover(n_cosines=3).transform(BOLD.astype("float32"), MOTION)
    assert cleaned.dtype == np.float32


@pytest.mark.parametrize(
    ("remover", "given", "match"),
    [
        (ConfoundRemover(3, 0.01), {}, "give one of them"),
        (ConfoundRemover(n_cosines=-1), {}, "expected 0 or more"),
        (ConfoundRemover(high_pass=-0.1), {"t_r": 2.0}, "expected 0 Hz or more"),
        (ConfoundRemover(), {}, "does not say how long a TR is"),
        (ConfoundRemover(n_cosines=100), {}, "100 TRs but 100 cosines"),
        (ConfoundRemover(n_cosines=97), {"confounds": MOTION}, "nothing would remain"),
        (ConfoundRemover(3), {"confounds": MOTION[:50]}, "confounds has shape .50, 6. but there"),
        (ConfoundRemover(3), {"sample_mask": np.ones(99, bool)}, "sample_mask has shape"),
        (ConfoundRemover(3), {"sample_mask": np.ones(100)}, "expected bool"),
        (ConfoundRemover(3), {"sample_mask": np.zeros(100, bool)}, "keeps no TR"),
    ],
)
def test_bad_input_is_refused(remover, given, match):
    with pytest.raises(ValueError, match=match):
        remover.transform(BOLD, **given)


def test_a_list_of_runs_needs_confounds_by_name():
    runs = RunList([a_run("story-a"), a_run("story-b")])
    with pytest.raises(ValueError, match="pass a mapping"):
        ConfoundRemover(3).transform(runs, MOTION)
    with pytest.raises(ValueError, match=r"unknown run 'story-b'.* did you mean 'story-B'"):
        ConfoundRemover(3).transform(runs, {"story-a": MOTION, "story-B": MOTION})


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match=r"expected \(n_rows, n_targets\)"):
        ConfoundRemover(3).transform(BOLD[:, 0])
