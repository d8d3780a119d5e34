"""From an fMRIPrep output, as labs have it, to a statistic, against what was simulated."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek

SPACE = "MNI152NLin2009cAsym"
PEOPLE = ("01", "02", "03", "04")
SLOW, FAST = 2.0, 1.0  # s, the two repetition times
SECONDS = 160.0  # of each story
ORDERS = ("abcda", "bacad", "cadba", "dbaca")  # each hears story a twice
HEARS = [1, 5]  # voxels that respond to words; 7 and 20 of the mask do not
LAGS = np.arange(0, 16, 0.5)
KERNEL = LAGS**4 * np.exp(-LAGS / 0.9)
KERNEL /= KERNEL.max()


def words_of(story):
    """Return words at random times, with pauses in which there are few."""
    rng = np.random.default_rng(ord(story))
    onsets = np.sort(rng.uniform(0, SECONDS - 1, 260))
    kept = onsets[np.sin(onsets / 7 + ord(story)) + rng.normal(0, 0.5, onsets.size) > 0]
    return pd.DataFrame({"word": "w", "onset": kept.round(3), "duration": 0.2})


def truth(story, seconds):
    """Return the response to the words of a story at seconds of its sound: no TR in it."""
    lags = seconds[:, None] - words_of(story)["onset"].to_numpy()
    return np.interp(lags, LAGS, KERNEL, left=0.0, right=0.0).sum(axis=1)


SCALE = np.std(truth("a", np.arange(0, SECONDS, 2.0)))


def simulate(layouts, root):
    """Write four people's five scans: orders, echoes, resolutions, directions, TRs, late logs."""
    rng = np.random.default_rng(0)
    for person, order in zip(PEOPLE, ORDERS, strict=True):
        for k, story in enumerate(order, 1):
            t_r = FAST if story == "d" else SLOW
            n = int((SECONDS + 24) / t_r)
            onset = 10.0 + rng.uniform(-0.02, 0.02)  # s, as it is logged
            signal = truth(story, t_r * (np.arange(n) + 0.5) - onset) / SCALE
            motion = rng.standard_normal((n, 6))
            values = np.zeros((n, 24))
            values[:, HEARS] = signal[:, None]
            values += rng.standard_normal((n, 24)) + 3 * motion[:, :1]
            kind = f"acq-{'fast' if t_r == FAST else 'slow'}_dir-{'AP' if k % 2 else 'PA'}"
            name = f"sub-{person}_task-story_{kind}_run-{k}"
            _write(
                layouts, root, name, 1000 + 10 * values, t_r, motion, f"audio/{story}.wav", onset
            )
    for story in "abcd":
        path = root / "stimuli/audio" / f"{story}.wav"
        layouts.write_wav(path, int(SECONDS * 100), 100, ord(story))
        words_of(story).to_csv(path.with_suffix(".csv"), index=False)


def _write(layouts, root, name, values, t_r, motion, sound, onset):
    """Write what was scanned as echo 2 and resolution 2, and noise as the others."""
    columns = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = pd.DataFrame(motion, columns=columns)
    noise = np.random.default_rng(1).standard_normal(values.shape)
    for echo, res, written in ((1, 2, noise), (2, 1, noise), (2, 2, values)):
        layouts.write_scan(
            root, name.replace("_run", f"_echo-{echo}_run"), values=written, n_trs=len(values),
            t_r=t_r, seed=1, space=SPACE, more=f"_res-{res}", events=False, sound=None,
            confounds=False,
        )  # fmt: skip
    person = name.split("_")[0]
    func = root / "derivatives/fmriprep" / person / "func"
    table.to_csv(func / f"{name}_desc-confounds_timeseries.tsv", sep="\t", index=False)
    rows = [(0.0, 8.0, "fixation", "cross.png"), (onset, SECONDS, "story", sound)]
    layouts.write_events(root / person / "func" / f"{name}_events.tsv", rows)


@pytest.fixture(scope="module")
def root(layouts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("road") / "lab_desc-v2_space-T1w"
    simulate(layouts, folder)
    return folder


@pytest.fixture(scope="module")
def study(root):
    given = {"entities": {"echo": 2, "res": "2"}, "trial_type": "story",
             "confounds": {"strategy": ["motion"], "motion": "basic"}}  # fmt: skip
    return ek.load_study("bids", root=root, task="story", space=SPACE, **given).trim("30s")


def test_it_is_refused_until_a_variant_is_chosen(root):
    with pytest.raises(ValueError, match="3 files compete for one run .*entities={'echo': '1', 'r"):
        ek.load_study("bids", root=root, task="story", space=SPACE)


def test_the_study_is_what_was_heard(study):
    times = {s.run_name: s.t_r for s in study.stimuli}
    assert times == {"a": SLOW, "b": SLOW, "c": SLOW, "d": FAST}
    assert study.responses()[0].sizes["target"] == 4 * len(PEOPLE)
    assert "of them heard 2 times" in study.describe()
    assert "onset_tolerance=0.05" in study.description
    assert all(np.isfinite(run.values).all() for run in study.responses())


def without_drifts(values, t_r):
    """Return values (time,) less their fit by cosines below 1/128 Hz, by hand."""
    n = values.size
    orders = np.arange(int(2 * n * t_r / 128) + 1)
    design = np.cos(np.pi * np.outer(np.arange(n) + 0.5, orders) / n)
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def test_responses_are_the_planted_ones_at_the_seconds_that_they_say(study):
    """Beside noise of variance 1 over the repeats; what motion added, 9 times that, is gone."""
    for run, stimulus in zip(study.responses(), study.stimuli, strict=True):
        planted = without_drifts(truth(stimulus.name, run.seconds.values + stimulus.offset),
                                 stimulus.t_r) / SCALE  # fmt: skip
        r = np.corrcoef(planted, run.values.T)[0, 1:]
        hears = np.isin(run.voxel.values, HEARS)
        expected = np.sqrt(planted.var() / (planted.var() + 1 / run.n_repeats.values[hears]))
        np.testing.assert_allclose(r[hears].mean(), expected.mean(), atol=0.06)
        assert np.abs(r[~hears]).max() < 0.45


@pytest.mark.filterwarnings("ignore:WordRate counts per TR")  # each run is z-scored after it
def test_the_model_recovers_what_was_planted(study):
    responses = study.responses()
    model = make_pipeline(
        ek.WordRate(),
        ek.Delayer(seconds=[2, 4, 6, 8]),
        ek.RunScaler(),
        ek.RidgeCV(alphas=np.logspace(-1, 5, 7)),
    )
    predicted = ek.cross_val_predict(model, study.stimuli, responses)
    score = ek.correlation(responses, predicted)
    hears = np.isin(score.voxel.values, HEARS)
    assert score.values[hears].min() > 0.5
    assert np.abs(score.values[~hears]).max() < 0.25
    planted = np.concatenate([truth(s.name, s.grid + s.offset) for s in study.stimuli])
    recovered = [
        np.corrcoef(planted[predicted.run.values == run], predicted.values[
            predicted.run.values == run][:, hears].mean(axis=1))[0, 1]
        for run in study.runs
    ]  # fmt: skip
    assert min(recovered) > 0.9
    test = ek.permutation_test(responses, predicted, by="voxel", n_permutations=500)
    p = dict(zip(test.voxel.values.tolist(), test.p_over_stimulus.values, strict=True))
    assert max(p[voxel] for voxel in HEARS) < 0.01
    assert min(p[voxel] for voxel in (7, 20)) > 0.02


def test_ceilings_are_those_of_the_simulation(study):
    """Of what two repeats share, and of what people share, noise of variance 1 beside it."""
    (story,) = [s for s in study.stimuli if s.name == "a"]
    power = without_drifts(truth("a", story.grid + story.offset), story.t_r).var() / SCALE**2
    repeats = ek.noise_ceiling(study.repeats())
    hears = np.isin(repeats.voxel.values, HEARS)
    found = repeats["ceiling_squared"].values
    np.testing.assert_allclose(found[hears].mean(), 2 * power / (2 * power + 1), atol=0.08)
    assert np.nanmean(found[~hears]) < 0.3
    people = ek.noise_ceiling(study.select("b").responses(), method="people")
    (other,) = [s for s in study.stimuli if s.name == "b"]
    power = without_drifts(truth("b", other.grid + other.offset), other.t_r).var() / SCALE**2
    mean = people["ceiling_squared"].values[np.isin(people.voxel.values, HEARS)].mean()
    np.testing.assert_allclose(mean, power / (power + 1), atol=0.1)
