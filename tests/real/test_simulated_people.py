"""Simulated people who hear real speech: LibriSpeech clips joined into stories."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.simulation import TrueFeatures

N_STORIES, N_DIMENSIONS = 12, 8
ALPHAS = np.logspace(-2, 8, 21)


@pytest.fixture(scope="module")
def speech(real_data):
    """Stories of at least 150 s and the meaning of their words (n_words, dimension)."""
    folder = real_data / "librispeech"
    words = pd.read_csv(folder / "words.csv", keep_default_na=False)
    words["row"] = np.arange(len(words))
    with np.load(folder / "meaning.npz") as arrays:
        vectors = arrays["vectors"][:, :N_DIMENSIONS]
    stories, clips, seconds = [], [], 0.0
    for clip, rows in words.groupby("clip", sort=True):
        table = rows.drop(columns="clip").reset_index(drop=True)
        clips.append(ek.Stimulus(clip, folder / clip, words=table))
        seconds += clips[-1].audio_duration + 0.5
        if seconds > 150 + 5 * len(stories):
            name = f"libri-{len(stories):02d}"
            stories.append(ek.join_stimuli(clips, name, gap=0.5, t_r=2.0))
            clips, seconds = [], 0.0
        if len(stories) == N_STORIES:
            break
    meaning = {item.name: vectors[item.words["row"].to_numpy()] for item in stories}
    follows = ek.Follows(meaning, seconds=(2, 4, 8), weight=0.9)
    mel = ek.MelSpectrogram(n_mels=8)
    bands = {story.name: mel.frames(story) for story in stories}
    loudness = {name: frames.mean("feature", keepdims=True) for name, frames in bands.items()}
    follow = {
        "language": [follows, ek.Follows(loudness, weight=0.1)],
        "auditory": bands,
        "rest": None,
    }
    return SimpleNamespace(stories=stories, follows=follows, follow=follow)


def simulate(speech, n_participants=3, **more):
    given = {"n_targets": 60, "snr": (0.05, 0.3), **more}
    return ek.simulate_responses(speech.stories, speech.follow, n_participants, **given)


def held_out_r(study, features, test):
    train, tested = study.split(test=test)
    model = make_pipeline(
        features, ek.Delayer(seconds=[2, 4, 6, 8]), ek.RunScaler(), ek.RidgeCV(ALPHAS)
    )
    model.fit(train.stimuli, train.responses())
    return ek.correlation(tested.responses(), model.predict(tested.stimuli))


def test_clips_become_stories_whose_words_sound_where_they_say(speech):
    assert len({story.n_trs for story in speech.stories}) > 6
    for story in speech.stories:
        assert story.words["onset"].is_monotonic_increasing
        assert float(story.words["onset"].max()) < story.audio_duration
    loud = ek.MelSpectrogram(n_mels=1).frames(speech.stories[0])
    level = np.interp(speech.stories[0].words["onset"] + 0.1, loud.seconds, loud.values[:, 0])
    assert level.mean() > loud.values.mean() + 0.2 * loud.values.std()


def test_maps_come_back_at_high_signal(speech):
    study = simulate(speech, snr=(0.9, 0.9), late=0.0, noise=ek.simulation.Noise(drift=0.0))
    truth = study.truth
    measured = np.concatenate([run.values for run in study.responses()])
    r = []
    for seconds in (2.0, 4.0, 8.0):
        mine = (truth.gathered.values == seconds) | (truth.part.values == "language/1")
        targets = truth.smoothing.values == seconds
        found = np.linalg.lstsq(truth.latent.values[:, mine], measured[:, targets], rcond=None)[0]
        wanted = truth.weight.values[mine][:, targets]
        r += [np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, wanted.T, strict=True)]
    print(f"\nweights of language targets: median r {np.median(r):.3f}, least {min(r):.3f}")
    assert np.median(r) > 0.98


def test_shares_and_ceilings_are_those_of_the_truth(speech):
    study = simulate(speech, repeats={"libri-10": 8, "libri-11": 8})
    truth, found = study.truth, ek.noise_ceiling(study.repeats())
    power = [
        truth.response.values[truth.run.values == run].var(axis=0, ddof=1)
        for run in ("libri-10", "libri-11")
    ]
    share = np.mean(power, axis=0)
    share = share / (share + 1 - truth.share.values)
    error = found.signal_share.values - share
    once = np.sqrt(np.clip(found.signal_share.values, 0, None))
    driven = truth.share.values > 0
    of_truth, r = truth.ceiling.values[driven], np.corrcoef(found.signal_share, share)[0, 1]
    print(f"\nshare: mean error {error.mean():+.4f}, r {r:.3f}")
    print(f"ceiling of one run: {once[driven].mean():.3f}, in the truth {of_truth.mean():.3f}")
    assert error.mean() == pytest.approx(0, abs=0.01)
    assert r > 0.9
    assert once[driven].mean() == pytest.approx(of_truth.mean(), abs=0.03)
    centred = np.concatenate([
        run.values - run.values.mean(axis=0) for _, run in truth.response.groupby("run")
    ])  # fmt: skip
    np.testing.assert_allclose(centred.var(axis=0), truth.share.values, atol=1e-4)


@pytest.mark.parametrize("t_r", [2.0, 1.5])
def test_true_features_explain_language_and_mel_bands_hearing(speech, t_r):
    study = simulate(speech, t_r=t_r, missing=0.2, snr=(0.3, 0.3))
    region = study.truth.region.values
    whole = [run.run.values[0] for run in study.responses() if not np.isnan(run.values).any()]
    found = {}
    for name, features in (
        ("meaning", TrueFeatures(speech.follows)),
        ("mel", ek.MelSpectrogram(n_mels=8, resample="mean")),
    ):
        r = held_out_r(study, features, whole[:2]).values
        found[name] = {
            kind: round(float(r[region == kind].mean()), 3)
            for kind in ("language", "auditory", "rest")
        }
    print(f"\nTR {t_r}: {found}")
    assert found["meaning"]["language"] > 0.6 * np.sqrt(0.3)
    assert found["mel"]["auditory"] > 0.6 * np.sqrt(0.3)
    assert found["mel"]["language"] < 0.5 * found["meaning"]["language"]
    assert found["meaning"]["auditory"] < 0.5 * found["mel"]["auditory"]
    assert abs(found["meaning"]["rest"]) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("null", ["nothing", "unrelated", "acoustics"])
def test_null_cohorts_have_no_gain(speech, null):
    means = []
    for seed in range(8):
        more = {"n_targets": 30, "snr": (0.3, 0.3), "seed": seed}
        if null == "acoustics":
            follow = {"language": speech.follow["auditory"]}
            study = ek.simulate_responses(speech.stories, follow, 2, **more)
        else:
            study = simulate(speech, 2, null=null, **more)
        r = held_out_r(study, TrueFeatures(speech.follows), ["libri-03", "libri-07"])
        means.append(float(r[study.truth.region.values == "language"].mean()))
    error = np.std(means, ddof=1) / np.sqrt(len(means))
    print(f"\n{null}: r of the true meaning {np.mean(means):+.4f}, standard error {error:.4f}")
    if null != "acoustics":
        assert abs(np.mean(means)) < 3 * error
    assert abs(np.mean(means)) < 0.05
