"""Simulated people for given stimuli: what they follow, and that the truth is told."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.features._hrf import canonical_hrf
from encodekit.simulation import Noise, TrueFeatures
from encodekit.simulation._steps import averaged

VOCABULARY = [f"w{k}" for k in range(20)]
VECTORS = dict(zip(VOCABULARY, np.random.default_rng(9).standard_normal((20, 3)), strict=True))
MEANING = ek.Follows(VECTORS, seconds=(2, 4))
FOLLOW = {"language": MEANING, "rest": None}
CLEAN: dict[str, Any] = {"snr": (0.9, 0.9), "late": 0.0}


def story(name: str, seconds: float = 200.0, t_r: float | None = 2.0, **more: Any) -> ek.Stimulus:
    rng = np.random.default_rng(sum(map(ord, name)))
    onset = np.sort(rng.uniform(0, seconds - 1, round(2 * seconds)))
    words = {"word": rng.choice(VOCABULARY, onset.size), "onset": onset, "duration": 0.2}
    sound = rng.uniform(-0.5, 0.5, round(seconds * 8000)).astype("float32")
    return ek.Stimulus(name, sound, 8000, words=pd.DataFrame(words), t_r=t_r, **more)


STORIES = [story("a"), story("b", 151.0), story("c", 90.5)]


@functools.cache
def clean() -> ek.Study:
    return ek.simulate_responses(STORIES, {"language": MEANING, "rest": None}, 2, **CLEAN)


def one_word(t_r: float, **more: Any) -> ek.Stimulus:
    words = pd.DataFrame({"word": ["now"], "onset": [10.03], "duration": [0.2]})
    return ek.Stimulus("one", words=words, t_r=t_r, duration=60.0, **more)


def within(values: np.ndarray, runs: np.ndarray) -> np.ndarray:
    return np.concatenate([values[runs == r] - values[runs == r].mean(axis=0) for r in set(runs)])


def held_out_r(study: ek.Study, features: Any, test: list[str]) -> xr.DataArray:
    train, tested = study.split(test=test)
    model = make_pipeline(features, ek.Delayer(seconds=[2, 4, 6, 8]), ek.RunScaler(), ek.RidgeCV())
    model.fit(train.stimuli, train.responses())
    return ek.correlation(tested.responses(), model.predict(tested.stimuli))


def test_a_study_keeps_the_data_contract_at_unequal_lengths() -> None:
    study = clean()
    for run in study.responses():
        ek.validate(run)
        np.testing.assert_allclose(run.mean("time"), 0, atol=1e-5)
        np.testing.assert_allclose(run.std("time"), 1, atol=1e-5)
    assert [run.sizes["time"] for run in study.responses()] == [100, 76, 45]
    assert study.responses()[0].target.values[[0, 250]].tolist() == [
        "P1/language/0001",
        "P2/language/0051",
    ]
    assert study.responses(regions=["rest"])[0].sizes["target"] == 200


def test_the_truth_is_latents_times_weights_where_nobody_is_late() -> None:
    truth = clean().truth
    made = truth.latent.values @ truth.weight.values
    np.testing.assert_allclose(made, truth.response.values, atol=1e-5)
    assert truth.part.values.tolist() == ["language"] * 6
    assert truth.gathered.values.tolist() == [2, 2, 2, 4, 4, 4]


def test_a_signal_has_its_share_of_the_variance() -> None:
    shares = (0.05, 0.4)
    study = ek.simulate_responses(STORIES, {"language": MEANING, "rest": None}, 2, snr=shares)
    truth = study.truth
    power = within(truth.response.values, truth.run.values).var(axis=0)
    np.testing.assert_allclose(power, truth.share.values, atol=1e-5)
    driven = truth.follows.values == "language"
    assert (truth.share.values[driven] >= 0.05).all()
    assert (truth.share.values[driven] <= 0.4).all()
    assert not truth.share.values[~driven].any()
    np.testing.assert_allclose(truth.ceiling.values**2, truth.share.values)
    noiseless = truth.response.assign_attrs(study.responses()[0].attrs)
    r = ek.correlation(study.responses(), noiseless).values[driven]
    assert np.mean(r - truth.ceiling.values[driven]) == pytest.approx(0, abs=0.02)


def test_weights_come_back_from_responses_with_little_noise() -> None:
    truth = clean().truth
    measured = np.concatenate([run.values for run in clean().responses()])
    wanted = truth.weight.values
    for seconds in (2.0, 4.0):
        mine = truth.gathered.values == seconds
        targets = truth.smoothing.values == seconds
        found = np.linalg.lstsq(truth.latent.values[:, mine], measured[:, targets], rcond=None)[0]
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, wanted[mine][:, targets].T)]  # noqa: B905
        assert targets.sum() > 80
        assert np.median(r) > 0.99


@pytest.mark.parametrize("t_r", [0.7, 1.5, 2.0])
@pytest.mark.parametrize("offset", [None, 0.0])
def test_a_word_is_answered_when_the_response_says_in_every_person(
    t_r: float, offset: float | None
) -> None:
    stimulus = one_word(t_r, sample_offset=offset)
    study = ek.simulate_responses(
        [stimulus], {"language": ek.Follows({"now": [1.0]})}, 4, n_targets=1, snr=(0.9, 0.9)
    )
    truth = study.truth
    assert np.ptp(truth.late.values) > 0.3
    for response, late in zip(truth.response.values.T, truth.late.values, strict=True):
        sampled = stimulus.grid + stimulus.offset
        r = [
            np.corrcoef(response, canonical_hrf(sampled - 10.03 - late - wrong))[0, 1]
            for wrong in (-t_r, -0.3, 0, 0.3, t_r)
        ]
        assert int(np.argmax(r)) == 2
        assert r[2] > 0.998


def test_how_late_each_person_is_comes_back_from_their_responses() -> None:
    study = ek.simulate_responses(
        STORIES, {"language": MEANING}, 4, n_targets=40, snr=(0.5, 0.5), late=2.0, t_r=1.0
    )
    steps = [MEANING.gathered(stimulus) for stimulus in study.stimuli]
    from encodekit.simulation._haemodynamics import respond

    shifts = np.arange(-2.5, 2.6, 0.25)
    for person in study.participants:
        measured = np.concatenate([run.values for run in study.responses([person])])
        left = []
        for shift in shifts:
            rows = [
                respond(of_run, stimulus.grid + stimulus.offset, shift)
                for of_run, stimulus in zip(steps, study.stimuli, strict=True)
            ]
            latent = np.concatenate([run - run.mean(axis=0) for run in rows])
            left.append(np.linalg.lstsq(latent, measured, rcond=None)[1].sum())
        true = study.truth.late.values[study.truth.participant.values == person][0]
        assert shifts[np.argmin(left)] == pytest.approx(true, abs=0.3)


def test_repeats_have_the_same_signal_and_noise_of_their_own() -> None:
    study = ek.simulate_responses(
        [*STORIES, story("d", 300)], {"language": MEANING}, 3, snr=(0.05, 0.4), repeats={"d": 12}
    )
    repeats = study.repeats()
    assert (repeats.sizes["repeat"], set(repeats.run.values)) == (12, {"d"})
    found = ek.noise_ceiling(repeats)
    truth = study.truth
    power = truth.response.values[truth.run.values == "d"].var(axis=0, ddof=1)
    share = power / (power + 1 - truth.share.values)  # of this very run
    assert np.mean(found.signal_share.values - share) == pytest.approx(0, abs=0.01)
    assert np.corrcoef(found.signal_share, share)[0, 1] > 0.9
    many = np.sqrt(12 * share / (1 + 11 * share))
    assert np.mean(found.ceiling.values - many) == pytest.approx(0, abs=0.02)
    assert study.truth.attrs["repeated"] == ["d"]


def test_all_runs_can_be_repeated() -> None:
    study = ek.simulate_responses(STORIES, {"language": MEANING}, 1, n_targets=3, repeats=2)
    assert study.repeats().sizes["repeat"] == 2
    assert list(dict.fromkeys(study.repeats().run.values.tolist())) == ["a", "b", "c"]


def test_two_runs_of_one_stimulus_have_the_same_signal_and_other_noise() -> None:
    twice = [story("a"), story("a", run="again"), story("b")]
    for null in (None, "unrelated"):
        study = ek.simulate_responses(twice, {"language": MEANING}, 1, snr=(0.5, 0.5), null=null)
        response, run = study.truth.response.values, study.truth.run.values
        np.testing.assert_allclose(response[run == "a"], response[run == "again"], atol=1e-6)
        first, second, _ = (item.values for item in study.responses())
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)]
        assert np.mean(r) == pytest.approx(0.5, abs=0.05)


def test_participants_lack_runs_but_somebody_heard_each() -> None:
    stimuli = [story(name, 60) for name in "abcdef"]
    study = ek.simulate_responses(
        stimuli, {"language": MEANING}, 3, n_targets=2, missing=0.4, repeats={"f": 2}
    )
    lacking = {
        (person, run.run.values[0])
        for run in study.responses()
        for person in study.participants
        if np.isnan(run.values[:, run.participant.values == person]).all()
    }
    assert len(lacking) == 3 * 2  # .4 of the five runs heard once
    assert "f" not in {run for _, run in lacking}
    assert all(len({p for p, r in lacking if r == run}) < 3 for _, run in lacking)


def test_another_repetition_time_gives_other_grids_over_the_same_time() -> None:
    part = story("d", tr_times=20 + 2.0 * np.arange(30), sample_offset=0.2)
    study = ek.simulate_responses(
        [story("a", 90.6), part, story("b")], FOLLOW, 2, t_r=1.5, n_targets=30, **CLEAN
    )
    whole, late, _ = study.stimuli
    np.testing.assert_allclose(whole.grid, 1.5 * np.arange(60))
    np.testing.assert_allclose(late.grid, 20 + 1.5 * np.arange(40))
    assert study.t_r == 1.5
    assert {run.attrs["sample_offset"] for run in study.responses()} == {0.75}
    r = held_out_r(study, TrueFeatures(MEANING), ["d"]).values
    assert r[study.truth.region.values == "language"].mean() > 0.6


def test_runs_may_differ_in_their_repetition_time() -> None:
    study = ek.simulate_responses([story("a"), story("b", t_r=1.5)], {"language": MEANING}, 1)
    assert study.t_rs == [1.5, 2.0]
    assert study.truth.sizes["time"] == study.stimuli[0].n_trs + study.stimuli[1].n_trs


def test_the_true_features_reach_the_ceiling_and_others_nothing() -> None:
    stimuli = [story(name) for name in "abcdefgh"]
    study = ek.simulate_responses(
        stimuli, {"language": MEANING, "rest": None}, 2, n_targets=50, snr=(0.3, 0.3), t_r=1.0
    )
    region = study.truth.region.values
    true = held_out_r(study, TrueFeatures(MEANING), ["g", "h"]).values
    assert 0.43 < true[region == "language"].mean() < np.sqrt(0.3) + 0.02
    assert abs(true[region == "rest"].mean()) < 0.05
    other = ek.Follows(dict(zip(VOCABULARY, np.roll(list(VECTORS.values()), 7, 0), strict=True)))
    wrong = held_out_r(study, TrueFeatures(other), ["g", "h"]).values
    assert wrong[region == "language"].mean() < true[region == "language"].mean() / 2


@pytest.mark.parametrize("null", ["nothing", "unrelated"])
def test_null_cohorts_have_nothing_to_find(null: str) -> None:
    means = []
    for seed in range(12):
        study = ek.simulate_responses(
            STORIES, {"language": MEANING}, 2, n_targets=30, snr=(0.3, 0.3), null=null, seed=seed
        )
        assert set(study.truth.follows.values) == {null}
        means.append(float(held_out_r(study, TrueFeatures(MEANING), ["b"]).mean()))
    error = np.std(means, ddof=1) / np.sqrt(len(means))
    assert abs(np.mean(means)) < 3 * error
    assert error < 0.05
    response = study.truth.response.values
    one, two = np.split(response, 2, axis=1)
    if null == "nothing":
        assert not response.any()
    else:
        assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, two.T, strict=True)]) > 0.4


@pytest.mark.parametrize(("shared", "low", "high"), [(1.0, 0.999, 1.0), (0.0, -0.2, 0.2)])
def test_people_share_as_much_of_their_maps_as_asked(
    shared: float, low: float, high: float
) -> None:
    study = ek.simulate_responses(
        STORIES, {"language": MEANING}, 2, snr=(0.3, 0.3), shared=shared, late=0.0
    )
    one, two = np.split(study.truth.response.values, 2, axis=1)
    r = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, two.T, strict=True)])
    assert low < r <= high + 1e-6


def test_of_the_variance_of_weights_people_share_what_is_asked() -> None:
    follows = ek.Follows(dict(zip(VOCABULARY, np.eye(20), strict=True)), seconds=4)
    study = ek.simulate_responses(
        STORIES, {"x": follows}, 3, snr=(0.3, 0.3), n_targets=200, shared=0.5, late=0.0
    )
    weights = [part.ravel() for part in np.split(study.truth.weight.values, 3, axis=1)]
    r = np.corrcoef(weights)
    assert r[np.triu_indices(3, 1)] == pytest.approx(0.5, abs=0.05)


def test_several_things_are_followed_by_their_weights() -> None:
    rate = ek.Follows(ek.WordRate(), weight=0.1)
    words = ek.Follows(VECTORS, seconds=4, weight=0.9)
    study = ek.simulate_responses(STORIES, {"language": [words, rate]}, 3, **CLEAN)
    truth = study.truth
    assert list(dict.fromkeys(truth.part.values.tolist())) == ["language/0", "language/1"]
    latent = within(truth.latent.values, truth.run.values)
    alone = [
        (latent[:, mine] @ truth.weight.values[mine]).std(axis=0)
        for mine in (truth.part.values == "language/0", truth.part.values == "language/1")
    ]
    np.testing.assert_allclose(alone[1] / alone[0], 1 / 9, rtol=1e-4)
    assert (truth.weight.values[-1] > 0).all()  # a single feature has one sign


def test_what_two_regions_follow_is_held_once() -> None:
    study = ek.simulate_responses(STORIES, {"one": MEANING, "two": MEANING}, 1, n_targets=5)
    assert study.truth.sizes["column"] == 6
    assert set(study.truth.smoothing.values) == {2.0, 4.0}


@pytest.mark.parametrize(("standardise", "low", "high"), [(True, 0.3, 0.7), (False, 0.95, 1.0)])
def test_features_count_in_units_of_their_deviation_or_as_they_are(
    standardise: bool, low: float, high: float
) -> None:
    scaled = {word: vector[:2] * [100, 1] for word, vector in VECTORS.items()}
    follows = ek.Follows(scaled, seconds=4, standardise=standardise)
    study = ek.simulate_responses(STORIES, {"language": follows}, 1, n_targets=300, **CLEAN)
    truth = study.truth
    spread = within(truth.latent.values, truth.run.values).std(axis=0)
    power = (truth.weight.values * spread[:, None]) ** 2
    assert low < np.mean(power[0] / power.sum(axis=0)) < high


def test_regions_may_differ_in_size_and_strength() -> None:
    study = ek.simulate_responses(
        STORIES,
        {"one": MEANING, "two": ek.WordRate(), "rest": None},
        1,
        snr={"one": (0.1, 0.1), "two": (0.5, 0.5)},
        n_targets={"one": 3, "two": 2, "rest": 1},
    )
    assert study.truth.region.values.tolist() == ["one"] * 3 + ["two"] * 2 + ["rest"]
    np.testing.assert_allclose(study.truth.share.values, [0.1] * 3 + [0.5] * 2 + [0])


def test_realistic_shares_are_the_named_ones() -> None:
    study = ek.simulate_responses(
        STORIES[:1], {"language": MEANING}, 1, n_targets=5000, snr="realistic"
    )
    assert np.median(study.truth.share.values) == pytest.approx(0.02, rel=0.1)


def test_in_an_atlas_targets_are_vertices_and_maps_smooth() -> None:
    follow = {"late_language": MEANING, "early_auditory": ek.WordRate(), "V1": None}
    study = ek.simulate_responses(STORIES[:1], follow, 1, atlas="glasser", n_targets=10_000)
    response, truth = study.responses()[0], study.truth
    atlas = ek.make_regions("glasser", space="fsaverage5").atlas
    assert response.attrs["space"] == "fsaverage5"
    np.testing.assert_array_equal(atlas.annotate(response).region.values, response.region.values)
    for kind, group in (("late_language",) * 2, ("early_auditory",) * 2, ("nothing", "V1")):
        inside = ek.RegionSelector(atlas, group).mask(response)
        np.testing.assert_array_equal(truth.follows.values == kind, inside)
        assert inside.sum() == sum(atlas.count(group).values())
    few = ek.simulate_responses(STORIES[:1], follow, 1, atlas=atlas, n_targets=20)
    assert few.responses()[0].sizes["target"] == 60
    assert set(few.responses()[0].hemisphere.values) == {"left", "right"}
    left = (response.hemisphere.values == "left") & (truth.follows.values == "late_language")
    share = truth.share.values[left]
    assert np.corrcoef(share[:-1], share[1:])[0, 1] > 0.15  # vertices that are near in number too


def test_the_same_seed_gives_the_same_study_and_more_people_leave_the_first() -> None:
    make: Callable[..., ek.Study] = functools.partial(
        ek.simulate_responses, STORIES, {"language": MEANING}, n_targets=5
    )
    first, again, more, other = make(2), make(2), make(3), make(2, seed=1)
    for one, two in zip(first.responses(), again.responses(), strict=True):
        np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(
        more.responses(["P1", "P2"])[0].values, first.responses()[0].values
    )
    assert abs(np.corrcoef(first.truth.share, other.truth.share)[0, 1]) < 0.95
    assert not np.allclose(first.responses()[0].values, other.responses()[0].values)


def test_a_saved_study_is_the_same_study(tmp_path: Path) -> None:
    study = ek.simulate_responses(
        STORIES, {"language": [MEANING, ek.WordRate()]}, 2, n_targets=4, repeats={"c": 3}
    )
    study.save(tmp_path / "study")
    again = ek.load_study(tmp_path / "study")
    for one, two in zip(study.responses(), again.responses(), strict=True):
        np.testing.assert_array_equal(one.values, two.values)
    xr.testing.assert_equal(study.truth, again.truth.load())
    assert "share of signal language: clear" in again.describe()
    (part,) = again.split(test=["c"])[1:]
    assert set(part.truth.run.values) == {"c"}
    assert part.truth.sizes["column"] == 7


def test_noise_is_made_of_what_is_asked_for() -> None:
    smooth, white = (
        ek.simulate_responses(
            [story("a", 1200)], {"language": MEANING}, 1, null="nothing", noise=noise
        ).responses()[0]
        for noise in (Noise(0.7, drift=0.0, common=0.0), Noise(0.0, drift=0.0, common=0.9))
    )
    lag = [(x.values[1:] * x.values[:-1]).mean() for x in (smooth, white)]
    assert lag == pytest.approx([0.7, 0.0], abs=0.03)
    power = [np.linalg.svd(x.values, compute_uv=False)[:6] ** 2 for x in (smooth, white)]
    assert power[0].sum() < 0.25 * smooth.values.size < 0.85 * white.values.size < power[1].sum()


def test_every_kind_of_features_that_says_the_same_is_followed_alike() -> None:
    stimulus = STORIES[0]
    rows = np.stack([VECTORS[word] for word in stimulus.words["word"]])
    by_type = xr.DataArray(
        np.stack(list(VECTORS.values())), dims=("word", "dimension"), coords={"word": VOCABULARY}
    )
    expected = ek.Follows(VECTORS).steps(stimulus)
    assert expected.shape == (2000, 3)
    np.testing.assert_allclose(expected.sum(axis=0), rows.sum(axis=0))
    for features in (by_type, {"a": rows}, ek.WordVectors(VECTORS, cache=None)):
        np.testing.assert_allclose(ek.Follows(features).steps(stimulus), expected, atol=1e-5)
    mel = ek.MelSpectrogram(n_mels=4)
    course = {"a": mel.frames(stimulus)}
    found = ek.Follows(course).steps(stimulus)
    np.testing.assert_allclose(found, ek.Follows(mel).steps(stimulus), atol=1e-6)
    assert found.shape == (2000, 4)


def test_frames_are_averaged_in_steps_and_joined_by_lines_where_they_are_rare() -> None:
    fine = (np.arange(100) + 0.5) * 0.02
    np.testing.assert_allclose(
        averaged(fine, fine[:, None], 20)[:, 0], (np.arange(20) + 0.5) * 0.1, atol=1e-12
    )
    rare = np.array([0.55, 1.55, 2.55])
    found = averaged(rare, rare[:, None], 30)[:, 0]
    np.testing.assert_allclose(found[5:26], (np.arange(5, 26) + 0.5) * 0.1, atol=1e-9)
    assert found[0] == found[5]


def test_of_two_words_within_a_step_both_count() -> None:
    words = pd.DataFrame({"word": ["a", "b"], "onset": [1.01, 1.04], "duration": 0.0})
    stimulus = ek.Stimulus("two", words=words, t_r=1.0, duration=8.0)
    steps = ek.Follows({"a": [1.0], "b": [2.0]}).steps(stimulus)
    assert np.flatnonzero(steps).tolist() == [10]
    assert steps[10, 0] == 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"follow": {}}, r"follow names no region that follows something"),
        ({"follow": {"rest": None}}, r"follow names no region that follows something"),
        ({"follow": {"nothing": MEANING}}, r"a region called 'nothing' follows something"),
        ({"n_participants": 0}, r"n_participants=0, expected 1 or more"),
        ({"n_targets": 0}, r"n_targets=0, expected 1 or more"),
        ({"n_targets": {"language": 3}}, r"n_targets lacks region 'rest'"),
        ({"n_targets": {"language": 3, "rest": 1, "langauge": 2}},
         r"n_targets: unknown region 'langauge': did you mean 'language'"),
        ({"snr": {"language": "clear", "lang": "clear"}}, r"snr: unknown region 'lang'"),
        ({"snr": {}}, r"snr lacks region 'language'"),
        ({"snr": {"language": (0.3, 0.2)}}, r"snr=\(0.3, 0.2\): take 'clear'"),
        ({"snr": "strong"}, r"snr='strong': take 'clear'"),
        ({"shared": 1.1}, r"shared=1.1, expected 0 to 1"),
        ({"late": 4.0}, r"late=4.0, expected 0 to 3 s"),
        ({"repeats": 0}, r"repeats=0, expected 1 or more"),
        ({"repeats": {"A": 2}}, r"repeats: unknown run 'A'"),
        ({"missing": 0.6}, r"missing=0.6 .* take 0 to 0.5"),
        ({"missing": 0.2, "repeats": 2}, r"missing=0.2, but every run is repeated"),
        ({"null": "acoustics"}, r"unknown null 'acoustics'"),
        ({"t_r": 40.0}, r"run 'c' has 2 TRs: a run needs 4 or more"),
        ({"t_r": -1.0}, r"t_r is -1.0, expected seconds above 0"),
        ({"shared": -1, "late": -1}, r"(?s)2 mistakes.*shared=-1.*late=-1"),
        ({"stimuli": [story("a"), story("a")]}, r"2 runs have the name 'a'"),
        ({"stimuli": [story("a", t_r=None)]}, r"has no t_r: pass t_r="),
        ({"stimuli": [ek.Stimulus("s", np.zeros(99999), 999, t_r=2.0)]}, r"'s' has no words"),
        ({"follow": {"x": {"other": [1.0]}}}, r"what 'x' follows is the same all the time"),
        ({"follow": {"x": {"a": np.ones((3, 2))}}}, r"has 400 words and 3 vectors"),
        ({"follow": {"x": {"A": np.ones((400, 2))}}}, r"not given for all stimuli: .*'a'"),
        ({"follow": FOLLOW, "atlas": "glasser"}, r"unknown region 'language'"),
        ({"follow": {"V1": MEANING, "primary_visual": None, "visual": None}, "atlas": "glasser"},
         r"region '\w+'"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    given = {"stimuli": STORIES, "follow": FOLLOW, "n_participants": 2, "n_targets": 3}
    with pytest.raises(ValueError, match=message):
        ek.simulate_responses(**{**given, **parameters})


def test_regions_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"region 'A1' .* overlaps with 'early_auditory'"):
        ek.simulate_responses(
            STORIES, {"early_auditory": MEANING, "A1": None}, 1, atlas="glasser", n_targets=3
        )


def _course(seconds: np.ndarray, values: np.ndarray | None = None) -> dict[str, xr.DataArray]:
    rows = np.sin(seconds)[:, None] if values is None else values
    course = xr.DataArray(rows, dims=("time", "feature"), coords={"seconds": ("time", seconds)})
    return {stimulus.name: course for stimulus in STORIES}


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (_course(np.arange(0.0, 80.0)), ValueError, r"'a' is from 0 to 79 s, but .* to 200 s"),
        (_course(np.arange(10.0, 200.0)), ValueError, r"is from 10 to 199 s"),
        (_course(np.arange(200.0), np.full((200, 1), np.nan)), ValueError,
         r"stimulus 'a' is NaN or infinite in 2000 of 2000 steps"),
        (_course(np.arange(200.0), np.ones((200, 1))), ValueError, r"is the same all the time"),
        ({"a": xr.DataArray(np.ones((3, 2)))}, TypeError, r"the time course of 'a' has the dims"),
        (xr.DataArray(np.ones((3, 2)), dims=("time", "feature")), TypeError,
         r"dims \('time', 'feature'\) is followed: .*\{stimulus name: DataArray\}"),
        ("mel", TypeError, r"'mel' is followed: expected a feature extractor"),
        ({"sun": [1.0], "moon": [1.0, 2.0]}, TypeError, r"arrays of the shapes"),
        ({"a": np.ones((400, 2)), "b": np.ones((302, 3)), "c": np.ones((181, 2))}, TypeError,
         r"arrays of the shapes"),
        ({}, TypeError, r"is followed: expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused(
    features: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ek.simulate_responses(STORIES, {"x": features}, 1, n_targets=3)


def test_a_follow_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(TypeError, match=r"follow is .*: expected a mapping of region to"):
        ek.simulate_responses(STORIES, ek.WordRate())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"seconds": -1}, r"seconds=-1, expected 0 or more"),
        ({"seconds": ()}, r"seconds=\(\), expected 0 or more"),
        ({"seconds": (2, 2.0)}, r"holds a number twice"),
        ({"weight": 0}, r"weight=0, expected a number above 0"),
    ],
)
def test_bad_settings_of_what_is_followed_are_refused(
    parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ek.Follows(VECTORS, **parameters)


@pytest.mark.parametrize("parameters", [{"autocorrelation": 1.0}, {"drift": 1.5}, {"common": -1}])
def test_noise_that_cannot_be_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected numbers from 0 to 1, autocorrelation below 1"):
        Noise(**parameters)
