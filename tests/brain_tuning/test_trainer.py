import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from transformers import TrainerCallback

from encodekit_brain_tuning import AllWeights, Exact, Lora, Runtime, Streamed, Training
from encodekit_brain_tuning.backbones import trained_state
from encodekit_brain_tuning.heads import SharedHeadModule
from encodekit_brain_tuning.losses import correlation, l2
from encodekit_brain_tuning.objectives import FmriObjective
from encodekit_brain_tuning.targets import align, weighted_mean
from encodekit_brain_tuning.training import (
    Alignment,
    RunningAlignment,
    TuningClips,
    TuningModel,
    start_head,
    tune,
)

ALL, WINDOWS = AllWeights(), Streamed(chunk=16.0)


@pytest.fixture
def make(backbone, stories, responses):
    """A model with clips of the first three stories and of the last one to validate on."""

    def build(*, reduce=True, update=ALL, windows=WINDOWS):
        update.prepare(backbone)
        lengths = {story.run_name: story.n_trs for story in stories}
        combine = weighted_mean if reduce else None
        shared = align(responses[:3], lengths, z_score=True, combine=combine)
        held = align(responses[3:], lengths, z_score=True, combine=combine, like=shared)
        model = TuningModel(backbone, SharedHeadModule(backbone.n_features, len(shared.keys)))
        clips = TuningClips(stories[:3], shared, backbone, windows)
        watched = TuningClips(stories[3:], held, backbone, windows)
        start_head(model, clips, 4)
        return model, clips, watched

    return build


def train(objective, *callbacks, seed=0, **changes):
    """Tune an objective, or the fMRI of (model, clips, validation, loss), for two epochs."""
    if isinstance(objective, tuple):
        objective = FmriObjective(*objective, batch_size=4)
    training = Training(**({"epochs": 2, "learning_rate": 3e-3, "batch_size": 4} | changes))
    return tune(objective, training, Runtime(device="cpu"), seed, *callbacks)


class Steps(TrainerCallback):
    """Records the rate of every optimizer step."""

    def __init__(self):
        self.rates = []

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **rest):
        self.rates.append(optimizer.param_groups[0]["lr"])


class Planted(FmriObjective):
    """Validation finds what was planted; ``weights`` are those that it was asked about."""

    def __init__(self, model, clips, found):
        super().__init__(model, clips, clips, l2, batch_size=4)
        self.weights, self.left = [], list(found)

    def validate(self, to_device):
        self.weights.append(copy.deepcopy(trained_state(self.model)))
        return self.left.pop(0)


def losses_planted(made, losses):
    """Validation has these losses, and r is the higher the lower they are."""
    model, clips, _ = made
    return Planted(model, clips, [(loss, Alignment(-loss, (-loss,) * 4)) for loss in losses])


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_training_loss_falls(make):
    model, clips, _ = make()
    history = train((model, clips, None, l2), epochs=6)
    losses = history["train_loss"].to_numpy()
    assert np.isnan(losses[0])
    assert losses[-1] < losses[1] - 0.04


def test_the_rate_warms_up_and_decays_to_zero_over_the_real_steps(make):
    model, clips, _ = make()
    seen = Steps()
    train((model, clips, None, l2), seen, epochs=5, batch_size=4)
    n_steps = 5 * -(-len(clips) // 4)
    assert len(seen.rates) == n_steps
    n_warm = int(np.ceil(0.1 * n_steps))
    expected = [3e-3 * min(step / n_warm, (n_steps - step) / (n_steps - n_warm))
                for step in range(n_steps)]  # fmt: skip
    np.testing.assert_allclose(seen.rates, expected, rtol=1e-6)
    assert max(seen.rates) == pytest.approx(3e-3)
    assert seen.rates[-1] < 3e-4 * 1.01


@pytest.mark.parametrize("keep", ["best", "two_se"])
def test_the_best_weights_are_put_back(make, keep):
    objective = losses_planted(make(), [1.0, 0.5, 0.7, 0.9])
    train(objective, epochs=3, keep=keep)
    weights = objective.weights
    assert same(trained_state(objective.model), weights[1])
    assert not same(weights[1], weights[3])


@pytest.mark.parametrize("keep", ["best", "two_se"])
def test_weights_that_are_never_better_than_untuned_are_not_kept(make, keep):
    objective = losses_planted(make(), [1.0, 1.5, 1.7])
    train(objective, epochs=2, keep=keep)
    assert same(trained_state(objective.model), objective.weights[0])


def test_the_last_weights_are_kept_if_asked_for_whatever_validation_says(make):
    objective = losses_planted(make(), [1.0, 0.5, 1.7, 1.8])
    history = train(objective, epochs=3, keep="last", patience=1)
    assert same(trained_state(objective.model), objective.weights[-1])
    assert history["kept"].tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("keep", "spread", "kept"), [("two_se", 0.05, 0), ("two_se", 0.005, 1), ("best", 0.05, 1)]
)
def test_weights_that_are_better_than_untuned_by_chance_are_not_kept(make, keep, spread, kept):
    """Their r is higher by .02; the parts of the runs disagree, or agree, on it."""
    model, clips, _ = make()
    gains = 0.02 + spread * np.array([-1, 1, 1, -1])
    seen = [(0.0,) * 4, gains, gains - 0.01]
    found = [(1.0, Alignment(float(np.mean(left)), tuple(left))) for left in seen]
    history = train(Planted(model, clips, found), epochs=2, keep=keep)
    assert history["kept"].tolist() == [row == kept for row in range(3)]
    np.testing.assert_allclose(history["gain"], [0, 0.02, 0.01], atol=1e-12)
    # a jackknife over four parts: sqrt(3/4 of the summed squares)
    np.testing.assert_allclose(history["gain_se"], np.sqrt(3) * spread * np.array([0, 1, 1]))


def test_tuning_stops_after_patience_without_a_new_best(make):
    objective = losses_planted(make(), [1.0, 0.5, 0.6, 0.7, 0.4, 0.3])
    history = train(objective, epochs=5, patience=2)
    assert history["validation_loss"].tolist() == [1.0, 0.5, 0.6, 0.7]


def test_without_patience_it_never_stops_early(make):
    objective = losses_planted(make(), [1.0, 2.0, 3.0, 4.0])
    assert len(train(objective, epochs=3, patience=None)) == 4


def test_validation_can_come_every_few_steps(make):
    model, clips, watched = make()
    history = train((model, clips, watched, l2), epochs=2, batch_size=2, validate_every=2)
    n_steps = 2 * -(-len(clips) // 2)
    assert history["step"].tolist() == list(range(0, n_steps + 1, 2))


def test_validation_has_dropout_off_and_training_has_it_on(make):
    model, clips, watched = make()
    modes = {"train": [], "validate": []}

    class Spy(nn.Module):
        def forward(self, x):
            modes["train" if torch.is_grad_enabled() else "validate"].append(self.training)
            return x

    model.head.linear = nn.Sequential(model.head.linear, Spy())
    train((model, clips, watched, l2))
    assert set(modes["train"]) == {True}
    assert set(modes["validate"]) == {False}
    assert not model.training


def test_the_frozen_stem_stays_as_it_was(make):
    model, clips, _ = make()
    before = copy.deepcopy(model.backbone.stem.state_dict())
    train((model, clips, None, l2))
    assert same(before, model.backbone.stem.state_dict())


def test_lora_changes_adapters_and_head_alone(make):
    model, clips, _ = make(update=Lora())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train((model, clips, None, l2))
    changed = {name for name, value in model.state_dict().items()
               if not torch.equal(value, before[name])}  # fmt: skip
    assert changed
    assert all("lora_" in name or name.startswith("head.linear") for name in changed)


def test_one_seed_gives_the_same_bytes(make):
    results = []
    model, clips, _ = make()
    start = copy.deepcopy(model.state_dict())
    for seed in (0, 0, 1):
        train((model, clips, None, l2), seed=seed, epochs=1)
        results.append(trained_state(model))
        model.load_state_dict(start)
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


def seed_all():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)


def draw_all():
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


def test_nobodys_random_numbers_change(make):
    model, clips, _ = make()
    seed_all()
    expected = draw_all()
    seed_all()
    train((model, clips, None, l2), epochs=1)
    assert draw_all() == expected


def test_on_the_mean_the_steps_are_those_of_joint_tuning(make, stories):
    joint, joint_clips, _ = make(reduce=False)
    start = copy.deepcopy(joint.state_dict())
    train((joint, joint_clips, None, l2), epochs=1)
    one = trained_state(joint)
    joint.load_state_dict(start)
    mean, mean_clips, _ = make(reduce=True)
    mean.load_state_dict(start)
    train((mean, mean_clips, None, l2), epochs=1)
    for name, value in trained_state(mean).items():
        torch.testing.assert_close(value, one[name], rtol=1e-3, atol=1e-4)


def test_histories_of_joint_and_mean_tuning_agree(make):
    losses = []
    for reduce in (False, True):
        model, clips, watched = make(reduce=reduce)
        # Too small a rate for float32 to move a weight by: both sum up the same model.
        history = train((model, clips, watched, l2), epochs=1, learning_rate=1e-12)
        losses.append(history[["train_loss", "validation_loss"]].iloc[1].tolist())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_a_correlation_loss_takes_every_participant(make):
    model, clips, watched = make(reduce=False)
    history = train((model, clips, watched, correlation), epochs=3)
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[1]
    assert clips.batch([0])["true"].shape[0] == 2


def test_a_loss_that_is_no_number_stops_with_advice(make):
    model, clips, _ = make()

    def broken(predicted, true, mask):
        return predicted.sum() * torch.nan

    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        train((model, clips, None, broken))


def test_clips_of_several_lengths_train_together(make):
    model, clips, watched = make(windows=Exact())
    assert len(set(clips.n_frames)) > 1
    history = train((model, clips, watched, l2), epochs=1, batch_size=16)
    assert np.isfinite(history["validation_loss"]).all()


def test_rows_that_pad_a_batch_weigh_nothing(make):
    _, clips, _ = make()
    sizes = [clip.rows.size for clip in clips.clips]
    assert len(set(sizes)) > 1
    batch = clips.batch(range(len(clips)))
    assert batch["mask"].sum() == sum(sizes) * 2 * 6


def test_the_error_of_a_gain_is_a_jackknife_over_parts_of_the_runs():
    """Held against r without each part, computed from the rows themselves."""
    rng = np.random.default_rng(0)
    true, models = rng.standard_normal((40, 3)), rng.standard_normal((2, 40, 3))
    parts = np.arange(40) * 4 // 40
    found = []
    for predicted in models:
        seen = RunningAlignment()
        for rows in (slice(0, 15), slice(15, 40)):  # clips need not end where parts do
            one, other = (torch.from_numpy(x[rows])[None, None] for x in (predicted, true))
            seen.add(["story"], [parts[rows]], one, other, torch.ones_like(other))
        found.append(seen.found())

    def mean_r(rows):
        return [
            np.mean([np.corrcoef(model[rows, k], true[rows, k])[0, 1] for k in range(3)])
            for model in models
        ]

    whole, left = mean_r(parts >= 0), np.array([mean_r(parts != part) for part in range(4)])
    gain, error = found[1].gain_over(found[0])
    assert gain == pytest.approx(whole[1] - whole[0])
    differences = left[:, 1] - left[:, 0]
    assert error == pytest.approx(np.sqrt(3 / 4 * ((differences - differences.mean()) ** 2).sum()))
