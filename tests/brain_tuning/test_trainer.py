import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from transformers import TrainerCallback

from encodekit_brain_tuning._alignment import Alignment, RunningAlignment
from encodekit_brain_tuning._backbone import make_trainable, trained_state
from encodekit_brain_tuning._clips import TuningClips, WindowSettings
from encodekit_brain_tuning._heads import SharedLinearHead
from encodekit_brain_tuning._losses import correlation, l2
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._participants import align, weighted_mean
from encodekit_brain_tuning._ridge_start import start_head
from encodekit_brain_tuning._trainer import BrainTrainer, Plan, tune

WINDOWS = WindowSettings(chunk=16.0)


@pytest.fixture
def make(backbone, stories, responses):
    """A model with clips of the first three stories and of the last one to validate on."""

    def build(*, reduce=True, trainable="all", windows=WINDOWS):
        make_trainable(backbone, trainable)
        lengths = {story.run_name: story.n_trs for story in stories}
        combine = weighted_mean if reduce else None
        shared = align(responses[:3], lengths, z_score=True, combine=combine)
        held = align(responses[3:], lengths, z_score=True, combine=combine, like=shared)
        model = TuningModel(backbone, SharedLinearHead(backbone.n_features, len(shared.keys)))
        clips = TuningClips(stories[:3], shared, backbone, windows)
        watched = TuningClips(stories[3:], held, backbone, windows)
        start_head(model, clips, 4)
        return model, clips, watched

    return build


def plan(**changes):
    return Plan(
        **({"epochs": 2, "learning_rate": 3e-3, "batch_size": 4, "device": "cpu"} | changes)
    )


class Steps(TrainerCallback):
    """Records the rate of every optimizer step."""

    def __init__(self):
        self.rates = []

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **rest):
        self.rates.append(optimizer.param_groups[0]["lr"])


@pytest.fixture
def plant(monkeypatch):
    def install(losses):
        weights, left = [], list(losses)

        def planted(trainer):
            weights.append(copy.deepcopy(trained_state(trainer.tuned)))
            loss = left.pop(0)
            return loss, Alignment(-loss, (-loss,) * 4)

        monkeypatch.setattr(BrainTrainer, "validate", planted)
        return weights

    return install


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_training_loss_falls(make):
    model, clips, _ = make()
    history = tune(model, clips, None, l2, plan(epochs=6))
    losses = history["train_loss"].to_numpy()
    assert np.isnan(losses[0])
    assert losses[-1] < losses[1] - 0.04


def test_the_rate_warms_up_and_decays_to_zero_over_the_real_steps(make):
    model, clips, _ = make()
    seen = Steps()
    tune(model, clips, None, l2, plan(epochs=5, batch_size=4), seen)
    n_steps = 5 * -(-len(clips) // 4)
    assert len(seen.rates) == n_steps
    n_warm = int(np.ceil(0.1 * n_steps))
    expected = [3e-3 * min(step / n_warm, (n_steps - step) / (n_steps - n_warm))
                for step in range(n_steps)]  # fmt: skip
    np.testing.assert_allclose(seen.rates, expected, rtol=1e-6)
    assert max(seen.rates) == pytest.approx(3e-3)
    assert seen.rates[-1] < 3e-4 * 1.01


def test_the_best_weights_are_put_back(make, plant):
    model, clips, watched = make()
    weights = plant([1.0, 0.5, 0.7, 0.9])
    tune(model, clips, watched, l2, plan(epochs=3))
    assert same(trained_state(model), weights[1])
    assert not same(weights[1], weights[3])


def test_weights_that_are_never_better_than_untuned_are_not_kept(make, plant):
    model, clips, watched = make()
    weights = plant([1.0, 1.5, 1.7])
    tune(model, clips, watched, l2, plan(epochs=2))
    assert same(trained_state(model), weights[0])


def test_weights_that_are_better_than_untuned_by_chance_are_not_kept(make, monkeypatch):
    """Their r is higher by .02; the parts of the runs disagree, or agree, on it."""
    for spread, kept in ((0.05, 0), (0.005, 1)):
        model, clips, watched = make()
        gains = 0.02 + spread * np.array([-1, 1, 1, -1])
        seen = iter([(0.0,) * 4, gains, gains - 0.01])
        found = (Alignment(float(np.mean(left)), tuple(left)) for left in seen)
        monkeypatch.setattr(BrainTrainer, "validate", lambda _, found=found: (1.0, next(found)))
        history = tune(model, clips, watched, l2, plan(epochs=2))
        assert history["kept"].tolist() == [row == kept for row in range(3)]


def test_tuning_stops_after_patience_without_a_new_best(make, plant):
    model, clips, watched = make()
    plant([1.0, 0.5, 0.6, 0.7, 0.4, 0.3])
    history = tune(model, clips, watched, l2, plan(epochs=5, patience=2))
    assert history["validation_loss"].tolist() == [1.0, 0.5, 0.6, 0.7]


def test_without_patience_it_never_stops_early(make, plant):
    model, clips, watched = make()
    plant([1.0, 2.0, 3.0, 4.0])
    assert len(tune(model, clips, watched, l2, plan(epochs=3, patience=None))) == 4


def test_validation_can_come_every_few_steps(make):
    model, clips, watched = make()
    history = tune(model, clips, watched, l2, plan(epochs=2, batch_size=2, validate_every=2))
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
    tune(model, clips, watched, l2, plan())
    assert set(modes["train"]) == {True}
    assert set(modes["validate"]) == {False}
    assert not model.training


def test_the_frozen_stem_stays_as_it_was(make):
    model, clips, _ = make()
    before = copy.deepcopy(model.backbone.stem.state_dict())
    tune(model, clips, None, l2, plan())
    assert same(before, model.backbone.stem.state_dict())


def test_lora_changes_adapters_and_head_alone(make):
    model, clips, _ = make(trainable="lora")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tune(model, clips, None, l2, plan())
    changed = {name for name, value in model.state_dict().items()
               if not torch.equal(value, before[name])}  # fmt: skip
    assert changed
    assert all("lora_" in name or name.startswith("head.linear") for name in changed)


def test_one_seed_gives_the_same_bytes(make):
    results = []
    model, clips, _ = make()
    start = copy.deepcopy(model.state_dict())
    for seed in (0, 0, 1):
        tune(model, clips, None, l2, plan(seed=seed, epochs=1))
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
    tune(model, clips, None, l2, plan(epochs=1))
    assert draw_all() == expected


def test_on_the_mean_the_steps_are_those_of_joint_tuning(make, stories):
    joint, joint_clips, _ = make(reduce=False)
    start = copy.deepcopy(joint.state_dict())
    tune(joint, joint_clips, None, l2, plan(epochs=1))
    one = trained_state(joint)
    joint.load_state_dict(start)
    mean, mean_clips, _ = make(reduce=True)
    mean.load_state_dict(start)
    tune(mean, mean_clips, None, l2, plan(epochs=1))
    for name, value in trained_state(mean).items():
        torch.testing.assert_close(value, one[name], rtol=1e-3, atol=1e-4)


def test_histories_of_joint_and_mean_tuning_agree(make):
    losses = []
    for reduce in (False, True):
        model, clips, watched = make(reduce=reduce)
        history = tune(model, clips, watched, l2, plan(epochs=1, learning_rate=0.0))
        losses.append(history[["train_loss", "validation_loss"]].iloc[1].tolist())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_a_correlation_loss_takes_every_participant(make):
    model, clips, watched = make(reduce=False)
    history = tune(model, clips, watched, correlation, plan(epochs=3))
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[1]
    assert clips.batch([0])["true"].shape[0] == 2


def test_a_loss_that_is_no_number_stops_with_advice(make):
    model, clips, _ = make()

    def broken(predicted, true, mask):
        return predicted.sum() * torch.nan

    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        tune(model, clips, None, broken, plan())


def test_clips_of_several_lengths_train_together(make):
    model, clips, watched = make(windows=WindowSettings("exact"))
    assert len(set(clips.n_frames)) > 1
    history = tune(model, clips, watched, l2, plan(epochs=1, batch_size=16))
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
