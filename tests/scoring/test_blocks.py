"""Blocks of what was heard: their influence on r, the intervals from them, and shared chance."""

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.scoring._blocks import make_blocks

RNG = np.random.default_rng


def same_order(person, story):
    return 0


def arrays(lengths, n_people, make, *, n_sets=1, order=same_order, cut=0):
    """Return responses and two predictions (time, target), the stories in each one's own order.

    ``make(length)`` gives what is heard: a response and two predictions (time, set x person). Where
    two people hear a story in another place, the run has another name, and all but those who heard
    it there lack it; its last ``cut`` TRs are lacking in all but the first place.
    """
    people = np.tile(np.arange(n_people), n_sets)
    sides = ([], [], [])
    for story, length in enumerate(lengths):
        truth, *guesses = make(length)
        for place in dict.fromkeys(order(person, story) for person in range(n_people)):
            n = length - cut * bool(place)
            here = [order(person, story) == place for person in people]
            coords = {
                "run": ("time", [f"story-{story}_run-{place}"] * n),
                "stimulus": ("time", [f"story-{story}"] * n),
                "tr": ("time", np.arange(n)),
                "target": np.arange(people.size).astype(str),
                "participant": ("target", people.astype(str)),
                "region": ("target", np.repeat(np.arange(n_sets), n_people)),
            }
            for side, of in zip(sides, (np.where(here, truth, np.nan), *guesses), strict=True):
                side.append(xr.DataArray(of[:n], dims=("time", "target"), coords=coords))
    return tuple(xr.concat(side, "time", coords="minimal", compat="override") for side in sides)


def equal_models(autoregressive, rng, n_people, *, n_sets=1, shared=0.5):
    """Return ``make`` for `arrays`: people share a response that neither model explains."""

    def make(n_trs):
        common, first, second = (
            np.repeat(autoregressive(rng, n_trs, n_sets, phi), n_people, axis=1)
            for phi in (0.5, 0.85, 0.85)
        )
        own = autoregressive(rng, n_trs, n_sets * n_people, 0.5)
        return np.sqrt(shared) * common + np.sqrt(1 - shared) * own, first, second

    return make


def test_runs_are_cut_into_blocks_of_about_twenty_trs_and_at_least_four(autoregressive):
    sides = arrays([300, 75, 20, 5], 2, equal_models(autoregressive, RNG(0), 2))
    blocks = make_blocks(sides[0])
    lengths = [np.bincount(blocks.of_row)[blocks.stimulus == k] for k in (0, 1, 2, -1)]
    assert [part.tolist() for part in lengths] == [[20] * 15, [19, 19, 19, 18], [5] * 4, [5]]


def test_the_interval_is_the_jackknife_of_a_single_run_written_out(autoregressive):
    truth, first, second = arrays([90], 1, equal_models(autoregressive, RNG(1), 1))
    found = ek.compare_models(truth, first, second, n_permutations=10)

    def difference(rows):
        y, p, q = (side.values[rows, 0] for side in (truth, first, second))
        return np.corrcoef(y, p)[0, 1] - np.corrcoef(y, q)[0, 1]

    blocks = make_blocks(truth).of_row
    without = np.array([difference(blocks != k) for k in range(4)])
    shares = np.bincount(blocks) / 90
    whole = difference(np.ones(90, bool))
    influence = (1 - shares) * (whole - without)
    error = np.sqrt(4 / 3 * ((influence - influence.mean()) ** 2).sum())
    half = 3.182446 * error  # t of three degrees of freedom
    np.testing.assert_allclose(found.difference, whole, rtol=1e-5)
    np.testing.assert_allclose(found.high_over_stimulus - found.difference, half, rtol=1e-4)


def test_another_order_of_the_stories_changes_neither_interval_nor_chance(autoregressive):
    def tested(order):
        sides = arrays([90, 80, 100], 4, equal_models(autoregressive, RNG(2), 4), order=order)
        compared = ek.compare_models(*sides, by="region", n_permutations=300)
        alone = ek.permutation_test(*sides[:2], by="region", n_permutations=300)
        assert compared.n_stimuli.item() == 3
        return [
            compared[k].item()
            for k in ("difference", "low_over_stimulus", "p_over_stimulus", "low", "high")
        ] + [alone[k].item() for k in ("r", "z", "p_over_stimulus")]

    same, other = (
        tested(lambda person, story: 0),
        tested(lambda person, story: (person + story) % 3),
    )
    np.testing.assert_allclose(same, other, atol=1e-5)


@pytest.mark.parametrize("null", ["sign", "phase", "shift", "block", "product"])
def test_a_story_that_was_cut_for_some_shares_chance_nearly(autoregressive, null):
    """The null of the mean over people is as wide as with one order, not half as wide."""

    def spread(order, cut):
        make = equal_models(autoregressive, RNG(3), 8, shared=0.9)
        truth, guess, _ = arrays([120] * 4, 8, make, order=order, cut=cut)
        found = ek.permutation_test(truth, guess, by="region", null=null, n_permutations=400)
        return found.r.item() / found.z.item() if null != "shift" else 1 / found.z.item()

    whole = spread(same_order, 0)
    parted = spread(lambda person, story: person % 2, 3)
    assert parted == pytest.approx(whole, rel=0.35)


@pytest.mark.parametrize(
    ("lengths", "n"), [([8], 2), ([5, 5], 2), ([4], 1)], ids=["one", "two", "short"]
)
def test_below_three_blocks_there_is_no_interval_and_the_reason_is_said(autoregressive, lengths, n):
    sides = arrays(lengths, 3, equal_models(autoregressive, RNG(4), 3))
    assert make_blocks(sides[0]).size == n
    with pytest.warns(UserWarning, match="fewer than three blocks of time.*longer or more runs"):
        found = ek.compare_models(*sides, by="region", n_permutations=10)
    assert np.isnan(found.low_over_stimulus).all()
    assert np.isfinite(found.difference).all()


def test_three_whole_runs_have_an_interval(autoregressive):
    found = ek.compare_models(
        *arrays([5, 5, 5], 3, equal_models(autoregressive, RNG(5), 3)), by="region"
    )
    assert np.isfinite(found.low_over_stimulus).all()


def coverage(autoregressive, lengths, n_sets, seed, *, order=same_order, people=4):
    """Return, of equal models of a shared response: share of intervals that hold 0; p <= .05."""
    make = equal_models(autoregressive, RNG(seed), people, n_sets=n_sets)
    sides = arrays(lengths, people, make, n_sets=n_sets, order=order)
    found = ek.compare_models(*sides, by="region", n_permutations=199, random_state=seed)
    held = (found.low_over_stimulus <= 0) & (found.high_over_stimulus >= 0)
    tests = ((found[f"p_over_{what}"] <= 0.05).mean().item() for what in ("stimulus", "people"))
    return held.mean().item(), *tests


def test_intervals_of_short_runs_cover(autoregressive):
    """Ten runs of 30 TRs; three standard errors of 600 sets."""
    held, _, _ = coverage(autoregressive, [30] * 10, 600, 0)
    assert 0.923 <= held <= 0.977


def turned(person, story):
    return (person + story) % 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lengths", "order"),
    [
        ([20] * 20, None), ([30] * 10, None), ([40] * 10, None), ([54] * 6, None),
        ([75] * 4, None), ([150] * 6, None), ([300], None), ([120, 60, 30, 30], None),
        ([75] * 4, turned), ([150] * 4, turned),
    ],
    ids=["20x20", "10x30", "10x40", "6x54", "4x75", "6x150", "1x300", "unequal", "4x75 turned",
         "4x150 turned"],
)  # fmt: skip
def test_intervals_over_stimulus_cover(request, autoregressive, lengths, order):
    """1,500 sets of four people who share half their response; two equal models."""
    held, stimulus, people = coverage(autoregressive, lengths, 1500, 1, order=order or same_order)
    print(f"\n| {request.node.callspec.id} | {held:.3f} | {stimulus:.3f} | {people:.3f} |", end="")
    assert 0.93 <= held <= 0.97
    assert stimulus <= 0.07


def test_segments_of_one_run_are_one_story_and_say_nothing_of_others(autoregressive):
    make = equal_models(autoregressive, RNG(6), 3)
    sides = arrays([80, 80], 3, make)
    names = {"story-0": "long/part-1", "story-1": "long/part-2"}
    cut = [
        side.assign_coords(stimulus=("time", [names[name] for name in side.stimulus.values]))
        for side in sides
    ]
    found = ek.compare_models(*cut, by="region", n_permutations=20)
    assert found.n_stimuli.item() == 1
    assert np.isnan(found.low).all()
    assert np.isfinite(found.low_over_stimulus).all()
