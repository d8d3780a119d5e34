import copy
import itertools

import numpy as np
import pytest
import torch

from encodekit.data import RunList
from encodekit_brain_tuning._backbone import make_trainable, trained_state
from encodekit_brain_tuning._clips import TuningClips, WindowSettings
from encodekit_brain_tuning._heads import HEADS
from encodekit_brain_tuning._losses import correlation, joint_equals_mean, l2
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._ridge_start import start_head
from encodekit_brain_tuning._steps import ClipCounts, Steps
from encodekit_brain_tuning._strategies import (
    Situation,
    TargetMaker,
    describe,
    resolve_strategy,
)
from encodekit_brain_tuning._trainer import BrainTrainer, Plan, tune
from encodekit_brain_tuning._tuning_data import match_runs


def people_of(responses, *people):
    return RunList(run.isel(target=np.isin(run.participant.values, people)) for run in responses)


@pytest.fixture
def partly(responses):
    """P2 lacks the last tuning run and some TRs of the first."""
    runs = [run.copy(deep=True) for run in responses[:3]]
    second = runs[0].participant.values == "P2"
    runs[0].values[4:9, second] = np.nan
    runs[2].values[:, second] = np.nan
    return RunList(runs)


@pytest.fixture
def make(backbone, stories):
    def build(responses, strategy="joint", loss=l2, head="shared", start=True, **options):
        make_trainable(backbone, "all")
        kind = HEADS[head]
        situation = Situation(joint_equals_mean(loss), kind.shared, **options)
        maker = TargetMaker(resolve_strategy(strategy, situation))
        runs = match_runs(stories[: len(responses)], responses, None, "tuning")
        targets = maker.tuning(runs)
        n_targets = maker.strategy.n_targets(targets)
        head = kind(backbone.n_features, n_targets, len(targets.participants), 2)
        model = TuningModel(backbone, head)
        clips = TuningClips(runs.stimuli, targets, backbone, WindowSettings(chunk=16.0))
        if start:
            start_head(model, clips, 4)
        return model, clips, maker.strategy

    return build


def plan(strategy=None, **changes):
    given = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 4, "device": "cpu"}
    given |= {"one_by_one": strategy is not None and strategy.one_by_one}
    return Plan(**(given | changes))


def gradients(model, clips, loss, tmp_path, **changes):
    """Gradients of the first step, in float64 and without dropout, and its clips."""
    trainer = BrainTrainer(model.double(), clips, None, loss, plan(**changes), str(tmp_path))
    step = next(trainer.steps.steps(0))
    model.zero_grad()
    for part in trainer.steps.parts(step):
        batch = trainer.steps.batch(clips, [part])
        batch = {name: value.double() if value.is_floating_point() else value
                 for name, value in batch.items()}  # fmt: skip
        trainer.compute_loss(model.eval(), batch).backward()
    return {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }, step


def test_joint_with_one_participant_is_sequential_with_one_participant_step_by_step(
    make, responses
):
    steps = {}
    model, clips, _ = make(people_of(responses[:3], "P1"))
    begin = copy.deepcopy(model.state_dict())
    for name, loss in [("joint", l2), ("sequential", l2), ("joint", correlation),
                       ("sequential", correlation)]:  # fmt: skip
        model, clips, strategy = make(people_of(responses[:3], "P1"), name, loss, start=False)
        model.load_state_dict(begin)
        history = tune(model, clips, None, loss, plan(strategy, epochs=2, validate_every=1))
        steps[name, loss] = history["train_loss"].to_numpy(), trained_state(model)
    for loss in (l2, correlation):
        (losses, weights), (others, other) = steps["joint", loss], steps["sequential", loss]
        assert len(losses) > 4
        np.testing.assert_array_equal(losses, others)
        assert all(torch.equal(weights[name], other[name]) for name in weights)


@pytest.mark.parametrize("head", ["shared", "individual", "shared+low_rank"])
@pytest.mark.parametrize("loss", [l2, correlation])
def test_a_joint_gradient_is_the_pair_weighted_mean_of_the_single_ones(
    make, partly, tmp_path, loss, head
):
    """Of two participants, one of whom lacks a run and some TRs; exact to 1e-6."""
    model, clips, _ = make(partly, "joint", loss, head)
    joint, step = gradients(model, clips, loss, tmp_path, batch_size=20)
    _, clips, _ = make(partly, "sequential", loss, head, start=False)
    counts = ClipCounts(clips, "pairs", model.backbone.rate)
    pairs = counts.amount[list(step.clips)].sum(axis=0)
    assert 0 < pairs[1] < pairs[0]
    batch = clips.batch(step.clips)
    single = []
    for person in range(2):
        model.zero_grad()
        predicted = model(
            batch["frames"].double(), batch["mixing"].double(), torch.tensor([person])
        )
        loss(predicted, batch["true"][[person]], batch["mask"][[person]]).backward()
        single.append(
            {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        )
    mean = {
        name: sum(n * own[name] for n, own in zip(pairs, single, strict=True)) / pairs.sum()
        for name in joint
    }
    size = sum(value.square().sum() for value in mean.values()).sqrt()
    apart = sum((joint[name] - value).square().sum() for name, value in mean.items()).sqrt()
    assert float(apart / size) < 1e-6


@pytest.mark.parametrize("reduction", ["pairs", "participants"])
def test_a_step_in_parts_has_the_gradient_of_the_whole(make, partly, tmp_path, reduction):
    model, clips, _ = make(partly, "joint", correlation, reduction=reduction)
    whole, _ = gradients(model, clips, correlation, tmp_path, reduction=reduction, batch_size=20)
    parts, _ = gradients(
        model, clips, correlation, tmp_path, reduction=reduction, batch_size=20, accumulate=3
    )
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-6, atol=1e-8)


def test_over_participants_who_heard_less_counts_as_much(make, partly, tmp_path):
    model, clips, _ = make(partly, "joint", l2, reduction="participants")
    assert clips.batch([0])["true"].shape[0] == 2  # their mean would not do
    joint, step = gradients(model, clips, l2, tmp_path, reduction="participants", batch_size=20)
    batch = clips.batch(step.clips)
    model.zero_grad()
    predicted = model(batch["frames"].double(), batch["mixing"].double())
    losses = [l2(predicted, batch["true"][[p]], batch["mask"][[p]]) for p in range(2)]
    (sum(losses) / 2).backward()
    for name, gradient in joint.items():
        own = dict(model.named_parameters())[name].grad
        torch.testing.assert_close(gradient, own, rtol=1e-5, atol=1e-7)


def test_training_in_parts_makes_the_same_steps(make, partly):
    model, clips, strategy = make(partly, "sequential")
    begin = copy.deepcopy(model.state_dict())
    found = []
    for parts in (1, 3):
        model.load_state_dict(begin)
        found.append(tune(model, clips, None, l2, plan(strategy, accumulate=parts)))
    for name in ("train_loss", "step"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-4)


def test_sequential_makes_a_step_for_each_participant_who_heard_the_batch(make, partly):
    model, clips, _ = make(partly, "sequential")
    counts = ClipCounts(clips, "pairs", model.backbone.rate)
    steps = Steps(clips, counts, 2, 0, one_by_one=True)
    drawn = list(steps.steps(0))
    assert len(drawn) == steps.n_steps == len(list(steps))
    seen = {(clip, step.person) for step in drawn for clip in step.clips}
    runs = clips.runs
    expected = {(clip, person) for clip in range(len(clips)) for person in (0, 1)
                if person == 0 or runs[clip] != runs[-1]}  # fmt: skip
    assert seen == expected
    assert sum(len(step.clips) for step in drawn) == len(expected)
    for first, second in itertools.pairwise(drawn):
        if second.person == 1:
            assert (first.clips, first.person) == (second.clips, 0)


def test_any_epoch_can_be_drawn_again(make, responses):
    model, clips, _ = make(responses[:3])
    counts = ClipCounts(clips, "pairs", model.backbone.rate)
    steps = Steps(clips, counts, 2, 0)
    epochs = [list(steps.steps(epoch)) for epoch in range(3)]
    assert epochs[1] != epochs[2]
    again = Steps(clips, counts, 2, 0)
    assert [list(again.steps(epoch)) for epoch in (2, 0, 1)] == [epochs[n] for n in (2, 0, 1)]


def test_processes_share_a_step_and_an_empty_part_counts_nothing(make, responses):
    model, clips, _ = make(responses[:1])
    counts = ClipCounts(clips, "pairs", model.backbone.rate)
    assert len(clips) < 6
    parts = [
        [part for (part,) in Steps(clips, counts, 8, 0, n_processes=6, process=rank)]
        for rank in range(6)
    ]
    assert len({len(own) for own in parts}) == 1
    for step in zip(*parts, strict=True):
        assert sum(part.share[0] for part in step) == pytest.approx(1)
        assert step[-1].share == (0.0,)


def test_budgets_are_counted_in_steps_pairs_or_seconds_of_audio(make, partly):
    model, clips, _ = make(partly, "joint", correlation)
    counts = ClipCounts(clips, "pairs", model.backbone.rate)
    joint = Steps(clips, counts, 4, 0)
    sequential = Steps(clips, counts, 4, 0, one_by_one=True)
    n_pairs = counts.heard.sum()
    assert joint.n_steps_of(("steps", 7)) == 7
    assert joint.n_steps_of(("pairs", n_pairs)) == joint.n_steps
    assert sequential.n_steps_of(("pairs", n_pairs)) == sequential.n_steps > joint.n_steps
    assert joint.n_steps_of(("pairs", 2 * n_pairs + 1)) == 2 * joint.n_steps + 1
    assert joint.n_steps_of(("seconds", counts.seconds.sum())) == joint.n_steps
    assert sequential.n_steps_of(("seconds", counts.seconds.sum())) < sequential.n_steps


def test_training_ends_with_its_budget_and_validates_the_last_weights(make, responses):
    model, clips, _ = make(responses[:3])
    history = tune(model, clips, clips, l2, plan(budget=("steps", 5), patience=None))
    assert history["step"].iloc[-1] == 5
    assert history["step"].is_unique


def test_response_mean_is_one_participant_who_is_everybodys_mean(make, responses):
    _, clips, _ = make(responses[:2], "response_mean", correlation)
    batch = clips.batch([0])
    assert batch["true"].shape[0] == 1
    assert set(np.unique(batch["mask"])) <= {0.0, 1.0}


def test_srm_is_fitted_on_the_tuning_runs_alone(make, stories, responses):
    model, clips, strategy = make(responses[:3], "srm", n_components=2)
    assert clips.batch([0])["true"].shape[0] == 1
    assert model.head.n_targets == 2
    assert strategy.keys(clips.targets) == ("srm/000", "srm/001")
    maps = [own.copy() for own in strategy.model.maps_]
    held = match_runs(stories[3:], responses[3:], None, "validation")
    aligned = TargetMaker(strategy).validation(held, clips.targets)
    assert all(np.array_equal(*pair) for pair in zip(maps, strategy.model.maps_, strict=True))
    assert aligned.runs["story-3"].values.shape == (1, 20, 2)


@pytest.mark.parametrize("strategy", ["response_mean", "srm"])
def test_one_response_of_all_needs_a_head_that_all_share(strategy):
    with pytest.raises(ValueError, match="makes one response of all participants"):
        resolve_strategy(strategy, Situation(shared_head=False))


def test_an_unknown_strategy_is_answered_with_close_matches():
    with pytest.raises(ValueError, match="sequential"):
        resolve_strategy("seqential", Situation())


def test_the_joint_strategy_says_when_it_is_tuning_on_the_mean():
    mean = resolve_strategy("joint", Situation(joint_equals_mean=True))
    assert "weighted mean" in describe(mean)
    for other in (Situation(), Situation(True, shared_head=False),
                  Situation(True, reduction="participants")):  # fmt: skip
        assert describe(resolve_strategy("joint", other)) == "joint"
