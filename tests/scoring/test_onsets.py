"""The beginning of speech, spikes and changing variance: chance that scrambled runs do not know."""

import re
import warnings

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.features import canonical_hrf

RNG = np.random.default_rng
T_R, TRIMMED = 2.0, 10  # s; TRs of 20 s
PER_SET = 20  # people
HRF = canonical_hrf(np.arange(0, 32, T_R))


def heard(autoregressive, rng, n_trs, n):
    """Return (time, n) of speech that begins with the run, through the haemodynamic response."""
    rate = 1 + 0.3 * autoregressive(rng, n_trs, n, 0.4)
    return np.apply_along_axis(lambda one: np.convolve(one, HRF)[:n_trs], 0, rate) / HRF.sum()


def rows(values, run, start=0, **coords):
    n_trs, n = values.shape
    where = {
        "run": ("time", [run] * n_trs),
        "stimulus": ("time", [run] * n_trs),
        "tr": ("time", np.arange(n_trs)),
        "seconds": ("time", T_R * (start + np.arange(n_trs))),
        "target": np.arange(n).astype(str),
        "participant": ("target", (np.arange(n) % PER_SET).astype(str)),
        "region": ("target", np.arange(n) // PER_SET),
    }
    return xr.DataArray(values, dims=("time", "target"), coords=where | coords)


def onset_sets(autoregressive, n_sets, n_trs, rng):
    """Return responses to one book and predictions of another: both begin, and share no more."""
    each = np.repeat(np.arange(n_sets), PER_SET)
    signal, guess = (heard(autoregressive, rng, n_trs, n_sets)[:, each] for _ in range(2))
    return signal + 0.3 * autoregressive(rng, n_trs, each.size, 0.5), guess


@pytest.fixture(scope="module")
def rates(autoregressive):
    """False positives at .05 in 400 sets, of each target: untrimmed, and trimmed."""
    truth, guess = onset_sets(autoregressive, 400, 150, RNG(0))
    found = {}
    for name, first in (("untrimmed", 0), ("trimmed", TRIMMED)):
        sides = (rows(side[first:], "story", first) for side in (truth, guess))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            p = ek.permutation_test(*sides, n_permutations=199, tail="count").p_over_stimulus
        found[name] = float((p <= 0.05).mean())
    print(f"\n{found}", end="")
    return found


def test_the_onset_is_found_in_another_book_and_trimming_leaves_nothing_of_it(rates):
    assert rates["untrimmed"] > 0.2
    assert 0.04 <= rates["trimmed"] <= 0.06


def test_predictions_of_other_stimuli_share_the_onset_and_so_find_nothing(autoregressive):
    """400 sets: the predictions of run 1 are of another book; six more books are wrong ones."""
    n_sets, n_trs = 400, 120
    rng = RNG(1)
    truth, guess = onset_sets(autoregressive, n_sets, n_trs, rng)
    others = [
        rows(np.repeat(heard(autoregressive, rng, n_trs, n_sets), PER_SET, axis=1), f"book-{k}")
        for k in range(6)
    ]
    found = ek.wrong_stimulus_test(rows(truth, "story"), rows(guess, "story"), others=others)
    rate = float((found.p_wrong_stimulus <= 0.05).mean())
    print(f"\nwrong_stimulus_test: {rate:.4f}", end="")
    assert float(found.r_wrong.mean()) > 0.1
    assert 0.04 <= rate <= 0.06


def two_runs(rng, n_trs=(60, 50), n=3):
    return [rows(rng.standard_normal((t, n)), f"story-{k}") for k, t in enumerate(n_trs)]


def test_the_wrong_stimulus_test_is_its_formula_by_hand():
    rng = RNG(2)
    truth, guess = two_runs(rng), two_runs(rng)
    others = [rows(rng.standard_normal((t, 3)), f"book-{t}") for t in (40, 70)]
    found = ek.wrong_stimulus_test(truth, guess, others=others)

    def r(one, other):
        n = min(len(one), len(other))
        return np.corrcoef(one.values[:n, 1], other.values[:n, 1])[0, 1]

    parts = []
    for k in (0, 1):
        wrong = [r(truth[k], other) for other in (guess[1 - k], *others)]
        weight = len(truth[k]) / 110
        error = weight**2 * np.var(wrong, ddof=1) * (1 + 1 / 3)
        parts.append((weight * (r(truth[k], guess[k]) - np.mean(wrong)), error))
    top, errors = np.transpose(parts)
    np.testing.assert_allclose(found.t[1], top.sum() / np.sqrt(errors.sum()))
    np.testing.assert_allclose(found.freedom[1], errors.sum() ** 2 / (errors**2 / 2).sum())
    assert found.n_wrong.values.tolist() == [6, 6, 6]


def test_what_was_heard_is_found_above_other_stimuli():
    rng = RNG(3)
    truth = two_runs(rng, (80, 80, 80, 80), 4)
    guess = [run + 1.5 * rng.standard_normal(run.shape) for run in truth]
    found = ek.wrong_stimulus_test(truth, guess, by="region")
    assert found.p_wrong_stimulus.item() < 0.001
    assert found.n_wrong.item() == 12


def test_rows_and_people_that_are_lacking_are_left_out():
    rng = RNG(4)
    truth, guess = two_runs(rng), two_runs(rng)
    others = two_runs(rng, (60, 60))
    for k, other in enumerate(others):
        other["stimulus"] = ("time", [f"book-{k}"] * 60)
    truth[0][30:, 1] = np.nan
    truth[1][:, 2] = np.nan
    found = ek.wrong_stimulus_test(truth, guess, others=others)
    assert np.isfinite(found.p_wrong_stimulus).all()
    one = np.corrcoef(truth[0][:, 2], guess[0][:, 2])[0, 1]
    np.testing.assert_allclose(found.r[2], one)


def in_runs(values, runs, stimulus):
    """Return rows of one stimulus in runs of other names."""
    return [
        rows(part, run).assign_coords(stimulus=("time", [stimulus] * len(part)))
        for part, run in zip(values, runs, strict=True)
    ]


def test_a_story_in_several_runs_is_one_stimulus(autoregressive):
    """Copies of a wrong prediction are no more evidence, and runs of a story no more stories."""
    n_sets, n_trs, rng = 200, 80, RNG(10)
    each = np.repeat(np.arange(n_sets), PER_SET)
    truth, guess = [], []
    for story in range(4):
        common, prediction = (autoregressive(rng, n_trs, n_sets, 0.6)[:, each] for _ in range(2))
        names = [f"story-{story}_run-{k}" for k in range(3)]
        own = [0.6 * common + autoregressive(rng, n_trs, each.size, 0.5) for _ in names]
        truth += in_runs(own, names, f"story-{story}")
        guess += in_runs([prediction] * 3, names, f"story-{story}")
    found = ek.wrong_stimulus_test(truth, guess, by="region")
    rate = float((found.p_wrong_stimulus <= 0.05).mean())
    print(f"\nfour stories in three runs each: {rate:.3f}", end="")
    assert set(found.n_wrong.values) == {12}
    assert rate <= 0.09
    merged = [ek.correlation(truth, guess).values]
    np.testing.assert_allclose(found.r, np.reshape(merged, (n_sets, -1)).mean(axis=1), atol=1e-6)
    with pytest.raises(ValueError, match="has predictions of 1 other stimuli"):
        ek.wrong_stimulus_test(truth[:6], guess[:6])


def test_wrong_predictions_meet_the_response_at_the_same_time_after_the_sound():
    """A prediction that begins 20 s into its sound is not taken for one from the beginning."""
    rng = RNG(11)
    values = rng.standard_normal((80, 2))
    truth, guess = rows(values, "story"), rows(rng.standard_normal((80, 2)), "story")
    whole = rng.standard_normal((2, 80, 2))
    others = [rows(one, f"book-{k}") for k, one in enumerate(whole)]
    late = [rows(one[10:], f"book-{k}", start=10) for k, one in enumerate(whole)]
    for side in (truth, guess, *others, *late):
        side.attrs["t_r"] = T_R
    found = ek.wrong_stimulus_test(truth, guess, others=late)
    r = [[np.corrcoef(values[10:, j], one[10:, j])[0, 1] for one in whole] for j in range(2)]
    np.testing.assert_allclose(found.r_wrong, np.mean(r, axis=1))
    moved = truth.assign_coords(sound_onset=("time", [20.0] * 80))
    moved["seconds"] = moved.seconds + 20.0
    guess["seconds"] = guess.seconds + 20.0
    with pytest.warns(
        UserWarning, match="begins 20 s into its audio, and others .'book-0', 'book-1'"
    ):
        same = ek.wrong_stimulus_test(moved, guess, others=others)
    told = [one.assign_coords(sound_onset=("time", [0.0] * 80)) for one in others]
    np.testing.assert_array_equal(ek.wrong_stimulus_test(moved, guess, others=told).t, same.t)
    plain = ek.wrong_stimulus_test(truth, guess.assign_coords(seconds=truth.seconds), others=others)
    np.testing.assert_allclose(same.t, plain.t)


def test_a_constant_wrong_prediction_counts_for_nothing():
    rng = RNG(12)
    truth, guess = two_runs(rng), two_runs(rng)
    others = [rows(rng.standard_normal((60, 3)), f"book-{k}") for k in range(3)]
    with_flat = [*others, rows(np.ones((60, 3)), "silence")]
    kept, more = (ek.wrong_stimulus_test(truth, guess, others=some) for some in (others, with_flat))
    np.testing.assert_allclose(kept.t, more.t)
    assert kept.n_wrong.values.tolist() == more.n_wrong.values.tolist() == [8, 8, 8]


def test_a_target_that_correlation_does_not_define_is_in_no_mean():
    rng = RNG(13)
    truth, guess = two_runs(rng, (60, 60, 60)), two_runs(rng, (60, 60, 60))
    guess[0][:, 1] = 1.0
    found = ek.wrong_stimulus_test(truth, guess, by="region")
    np.testing.assert_allclose(found.r, float(ek.correlation(truth, guess).mean()))


@pytest.mark.parametrize("test", ["permutation_test", "compare_models", "wrong_stimulus_test"])
def test_rows_that_are_not_in_the_order_of_time_are_refused(test):
    rng = RNG(14)
    sides = [two_runs(rng, (60, 60, 60)) for _ in range(2 + (test == "compare_models"))]
    shuffled = [side[::-1] for side in sides[0]]
    with pytest.raises(ValueError, match=f"{test}: TR 58 of run 'story-0' comes after TR 59"):
        getattr(ek, test)(shuffled, *sides[1:])


def test_rows_that_both_sides_lack_are_not_taken_for_quiet_ones():
    """Censored alike, as by motion: stationary signals, and no warning."""
    rng = RNG(15)
    truth, guess = (rows(rng.standard_normal((300, 20)), "story", 20) for _ in range(2))
    gone = rng.random(300) < 0.4
    truth[gone], guess[gone] = np.nan, np.nan
    ek.permutation_test(truth, guess, n_permutations=50)


def test_one_other_stimulus_is_too_few():
    rng = RNG(5)
    with pytest.raises(
        ValueError, match=r"run 'story-0' \('story-0', 60 TRs\) has predictions of 1 other"
    ):
        ek.wrong_stimulus_test(two_runs(rng), two_runs(rng))


def test_arrays_do_not_say_what_was_heard():
    with pytest.raises(TypeError, match="takes DataArrays, which say what was heard"):
        ek.wrong_stimulus_test(np.zeros((30, 2)), np.zeros((30, 2)))


@pytest.mark.parametrize("test", ["permutation_test", "compare_models"])
def test_a_run_that_is_scored_from_its_onset_is_warned_of(test):
    rng = RNG(6)
    sides = [two_runs(rng) for _ in range(2 + (test == "compare_models"))]
    message = rf"{test}: 2 of 2 runs \('story-0', 'story-1'\) are scored from 0 s after"
    with pytest.warns(UserWarning, match=message + r".*study\.trim\(start='20s'\)"):
        getattr(ek, test)(*sides)


def test_onsets_count_from_where_the_sound_begins():
    rng = RNG(7)

    def told(start, onset):
        sides = (
            rows(rng.standard_normal((60, 2)), "story", start, sound_onset=("time", [onset] * 60))
            for _ in range(2)
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ek.permutation_test(*sides, n_permutations=50)
        return [
            str(one.message) for one in caught if "after their sound begins" in str(one.message)
        ]

    assert not told(10, 0.0)
    assert re.search("from 14 s after", told(10, 6.0)[0])
    assert not told(13, 6.0)


def changing(kind, autoregressive, rng, n_trs, n):
    """Return unrelated responses and predictions (time, n) that are loud at the same times."""
    y, p = autoregressive(rng, n_trs, n, 0.5), autoregressive(rng, n_trs, n, 0.8)
    if kind == "rising":
        loud = np.linspace(0.5, 1.5, n_trs)[:, None]
    elif kind == "first quarter":
        loud = np.where(np.arange(n_trs) < n_trs / 4, 3, 1)[:, None]
    elif kind == "spikes":
        loud = np.ones((n_trs, 1))
        loud[rng.choice(n_trs, 4, replace=False)] = 6
    else:
        loud = 1
    return loud * y, loud * p


@pytest.mark.parametrize(
    ("kind", "message"),
    [("rising", "vary alike"), ("first quarter", "vary alike"), ("spikes", "share spikes")],
)
def test_loudness_that_both_sides_share_is_warned_of(autoregressive, kind, message):
    sides = changing(kind, autoregressive, RNG(8), 300, 40)
    with pytest.warns(UserWarning, match=f"permutation_test.*{message}.*null='product'"):
        ek.permutation_test(*sides, n_permutations=50)
    with pytest.warns(UserWarning, match=f"permutation_test.*{message}"):
        ek.permutation_test(*sides, n_permutations=50, stop_after=10)
    with pytest.warns(UserWarning, match=f"compare_models.*{message}"):
        ek.compare_models(*sides, sides[1][::-1], n_permutations=50)
    ek.permutation_test(*sides, n_permutations=50, null="product")  # a warning is an error


@pytest.mark.parametrize("strength", [0.0, 0.5, 0.9])
def test_stationary_signals_are_not_warned_of(autoregressive, strength):
    for seed in range(10):
        y, p = changing(None, autoregressive, RNG([9, seed]), 300, 20)
        ek.permutation_test(strength * p + y, p, n_permutations=20)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stationary", "rising", "first quarter", "spikes"])
@pytest.mark.parametrize("n_trs", [75, 150, 300])
@pytest.mark.filterwarnings("ignore:permutation_test.*responses and predictions")
def test_products_are_calibrated_where_loudness_is_shared(autoregressive, n_trs, kind):
    """20,000 targets of their own, of each null; and maps of 100 targets with any discovery."""
    n, cells = 20_000, []
    y, p = zip(
        *(changing(kind, autoregressive, RNG([n_trs, k]), n_trs, 100) for k in range(200)),
        strict=True,
    )
    for null in ("sign", "shift", "block", "product"):
        rate = maps = 0.0
        for one, other in zip(y, p, strict=True):
            found = ek.permutation_test(one, other, null=null, n_permutations=199)
            rate += float((found.p_over_stimulus <= 0.05).sum()) / n
            maps += float((found.q_over_stimulus <= 0.05).any()) / 200
        cells += [f"{rate:.3f}", f"{maps:.3f}"]
    print(f"\n| {n_trs} | {kind} | " + " | ".join(cells) + " |", end="")
    assert float(cells[-2]) <= (0.075 if n_trs > 75 else 0.09)
