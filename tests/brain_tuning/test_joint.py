"""Tuning on two studies whose runs have other TRs, each at its own rate."""

import numpy as np
import pytest

import encodekit as ek
from encodekit.data import make_response, split_runs
from encodekit_brain_tuning.backbones import haemodynamic_weights


def respond(story, person, seed):
    """The loudness of each TR through the haemodynamic weights of its length, at 6 vertices."""
    sound = story.load_audio()
    ends = np.round((story.grid + story.t_r) * story.sampling_rate).astype(int)
    parts = np.split(sound[: ends[-1]], ends[:-1])
    level = np.log([part.std() for part in parts])
    clean = np.convolve(level - level.mean(), haemodynamic_weights(story.t_r))[: story.n_trs]
    noise = 0.05 * np.random.default_rng(seed).standard_normal((story.n_trs, 6))
    values = clean[:, None] * np.random.default_rng(0).standard_normal(6) + noise
    return make_response(
        values.astype("f4"), run=story.run_name, participant=person, tr_times=story.grid,
        t_r=story.t_r, hemisphere=["left"] * 4 + ["right"] * 2, vertex=np.arange(6),
        space="fsaverage5",
    )  # fmt: skip


@pytest.fixture
def joint(make_story):
    """P1 heard three stories at a TR of 2 s, P2 three others at 1.25 s."""

    def study(name, person, t_r, seeds):
        heard = [make_story(f"{name}-{seed}", seed=seed, t_r=t_r) for seed in seeds]
        responses = {person: [respond(story, person, seed) for seed, story in enumerate(heard)]}
        return ek.Study(name, heard, responses)

    return study("slow", "P1", 2.0, (1, 2, 3)).join(study("quick", "P2", 1.25, (4, 5, 6)))


def test_one_model_is_tuned_on_both_and_predicts_each_at_its_own_rate(joint, tuned):
    fit, validate = joint.split(fit=["slow-1", "slow-2", "quick-4", "quick-5"],
                                validate=["slow-3", "quick-6"])  # fmt: skip
    model = tuned(training__epochs=12).fit(fit.stimuli, fit.responses(), validation=validate)
    assert model.participants_ == ("P1", "P2")
    assert model.tuned_seconds_ == 160.0
    assert model.history_["validation_r"].max() > 0.15
    together = model.transform(validate.stimuli)
    assert set(together.t_r.values.tolist()) == {1.25, 2.0}
    for mine, story in zip(split_runs(together), validate.stimuli, strict=True):
        alone = model.transform([story])
        np.testing.assert_allclose(mine.values, alone.values, atol=1e-5)
        assert mine.attrs["t_r"] == story.t_r


def test_a_new_head_predicts_each_run_at_its_own_rate(joint, tuned):
    first = joint.select(["slow-1"])
    model = tuned(training__epochs=1, update="head_only").fit(
        first.stimuli, first.responses(["P1"])
    )
    rest = joint.select(["slow-2", "quick-4", "quick-5"])
    head = model.adapt(rest.stimuli, rest.responses())
    test = joint.select(["slow-3", "quick-6"])
    predicted = head.predict(test.stimuli)
    assert [run.attrs["t_r"] for run in split_runs(predicted)] == [2.0, 1.25]
    scores = ek.correlation(test.responses(), predicted)
    assert float(scores.mean()) > 0.1
