"""Real speech in a pipeline: LibriSpeech clips as the stories of an acoustics-only cohort."""

import numpy as np
import pytest
import soundfile
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import make_response

pytest.importorskip("encodekit_brain_tuning", reason="needs the plugin encodekit-brain-tuning")

RATE, SECONDS, T_R = 16_000, 60.0, 2.0
PEOPLE = ("P1", "P2", "P3")
N_TARGETS = 24
pytestmark = pytest.mark.filterwarnings("ignore:.*alphas.*:UserWarning")


@pytest.fixture(scope="module")
def cohort(real_data):
    """Eight stories of 60 s; people whose every target follows eight mel bands, half noise."""
    clips = iter(sorted((real_data / "librispeech").glob("*.flac")))
    rng = np.random.default_rng(0)
    stimuli = []
    for number in range(8):
        audio = np.zeros(0, "float32")
        while audio.size < SECONDS * RATE:
            audio = np.append(audio, soundfile.read(next(clips), dtype="float32")[0])
        audio = audio[: int(SECONDS * RATE)]
        stimuli.append(ek.Stimulus(f"real-{number}", audio, RATE, t_r=T_R, duration=SECONDS))
    bands = make_pipeline(ek.MelSpectrogram(n_mels=8), ek.CanonicalHRF(), ek.RunScaler())
    latents = bands.fit_transform(stimuli)
    weights = rng.standard_normal((8, N_TARGETS))
    responses = {person: {} for person in PEOPLE}
    for stimulus in stimuli:
        rows = latents.values[latents.run.values == stimulus.run_name]
        signal = rows @ weights
        for person in PEOPLE:
            noise = signal.std() * rng.standard_normal(signal.shape)
            responses[person][stimulus.run_name] = make_response(
                signal + noise,
                run=stimulus.run_name,
                participant=person,
                tr_times=stimulus.grid,
                t_r=T_R,
                hemisphere=["left"] * N_TARGETS,
                vertex=list(range(N_TARGETS)),
                space="fsaverage5",
            )
    return ek.Study("real-speech", stimuli, responses)


def held_out_r(extractor, fit, test, person):
    pipeline = make_pipeline(
        extractor,
        ek.Delayer(seconds=[2, 4, 6, 8]),
        ek.RunScaler(),
        ek.RidgeCV(alphas=np.logspace(0, 6, 13)),
    )
    pipeline.fit(fit.stimuli, fit.responses(participants=[person]))
    predicted = pipeline.predict(test.stimuli)
    return float(ek.correlation(test.responses(participants=[person]), predicted).mean())


def test_speech_features_predict_an_acoustic_cohort_from_real_speech(cohort):
    fit, test = cohort.split(test=["real-6", "real-7"])
    r = held_out_r(ek.SpeechFeatures("tiny", layer=0), fit, test, "P3")
    print(f"\nreal speech, layer 0, person never tuned on: r {r:.3f}")
    assert r > 0.2


def test_brain_tuning_learns_from_real_speech(cohort):
    from encodekit_brain_tuning import AllWeights, BrainTunedFeatures, Training

    parts = cohort.split(
        tune=["real-0", "real-1", "real-2"],
        validate=["real-3"],
        fit=["real-4", "real-5"],
        test=["real-6", "real-7"],
    )
    tuned = BrainTunedFeatures(
        "tiny",
        update=AllWeights(),
        training=Training(learning_rate=1e-3, epochs=4, batch_size=2, patience=None),
    )
    responses = parts.tune.responses(participants=["P1", "P2"])
    tuned.fit(parts.tune.stimuli, responses, validation=parts.validate)
    history = tuned.history_
    r = held_out_r(tuned.frozen(), parts.fit, parts.test, "P3")
    print(f"\nvalidation r {history['validation_r'].round(3).tolist()}; held-out person r {r:.3f}")
    assert history["validation_r"].max() > history["validation_r"].iloc[0]
    assert r > 0.1
