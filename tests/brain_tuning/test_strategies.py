import copy
import itertools

import numpy as np
import pytest
import torch

from encodekit.data import RunList
from encodekit_brain_tuning import (
    AllWeights,
    BrainTunedFeatures,
    IndividualHead,
    Joint,
    LowRankHead,
    ResponseMean,
    Runtime,
    Sequential,
    SharedHead,
    SharedResponse,
    Streamed,
    Training,
)
from encodekit_brain_tuning.backbones import trained_state
from encodekit_brain_tuning.losses import correlation, l2
from encodekit_brain_tuning.objectives import FmriObjective
from encodekit_brain_tuning.strategies import SharedResponseModel, TargetMaker
from encodekit_brain_tuning.targets import align, common_places, match_runs, weighted_mean
from encodekit_brain_tuning.training import (
    Steps,
    TuningClips,
    TuningModel,
    count_clips,
    start_head,
    tune,
)
from encodekit_brain_tuning.training._trainer import ObjectiveTrainer

JOINT, SHARED = Joint(), SharedHead()


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
    def build(responses, strategy=JOINT, loss=l2, head=SHARED, start=True):
        AllWeights().prepare(backbone)
        maker = TargetMaker(strategy, loss, head)
        runs = match_runs(stories[: len(responses)], responses, None, "tuning")
        targets, found = maker.tuning(runs)
        n_targets = len(found.keys) if found.keys else targets.n_slots
        module = head.build(backbone.n_features, n_targets, len(targets.participants))
        model = TuningModel(backbone, module)
        clips = TuningClips(runs.stimuli, targets, backbone, Streamed(chunk=16.0))
        if start:
            start_head(model, clips, 4)
        return model, clips, (maker, found)

    return build


def objective_of(model, clips, strategy=JOINT, loss=l2, validation=None):
    return FmriObjective(
        model, clips, validation, loss, batch_size=4, reduction=strategy.reduction,
        per_participant_steps=strategy.per_participant_steps,
    )  # fmt: skip


def training(**changes):
    return Training(**({"epochs": 1, "learning_rate": 3e-3, "batch_size": 4} | changes))


def train(objective, **changes):
    return tune(objective, training(**changes), Runtime(device="cpu"), 0)


def steps_of(clips, model, batch_size, **keywords):
    counts = count_clips(clips, "pairs", model.backbone.rate)
    return Steps(clips.n_frames, counts, batch_size, 0, **keywords)


def gradients(objective, tmp_path, **changes):
    """Gradients of the first step, in float64 and without dropout, and its clips."""
    model = objective.model.double()
    trainer = ObjectiveTrainer(
        objective, training(**changes), Runtime(device="cpu"), 0, str(tmp_path)
    )
    step = next(trainer.steps.steps(0))
    model.zero_grad()
    for part in trainer.steps.parts(step):
        batch = objective.batch([part])
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
    for strategy, loss in itertools.product((JOINT, Sequential()), (l2, correlation)):
        model, clips, _ = make(people_of(responses[:3], "P1"), strategy, loss, start=False)
        model.load_state_dict(begin)
        objective = objective_of(model, clips, strategy, loss)
        history = train(objective, epochs=2, validate_every=1)
        steps[strategy, loss] = history["train_loss"].to_numpy(), trained_state(model)
    for loss in (l2, correlation):
        (losses, weights), (others, other) = steps[JOINT, loss], steps[Sequential(), loss]
        assert len(losses) > 4
        np.testing.assert_array_equal(losses, others)
        assert all(torch.equal(weights[name], other[name]) for name in weights)


@pytest.mark.parametrize("head", [SHARED, IndividualHead(), LowRankHead(rank=2)])
@pytest.mark.parametrize("loss", [l2, correlation])
def test_a_joint_gradient_is_the_pair_weighted_mean_of_the_single_ones(
    make, partly, tmp_path, loss, head
):
    """Of two participants, one of whom lacks a run and some TRs; exact to 1e-6."""
    model, clips, _ = make(partly, JOINT, loss, head)
    joint, step = gradients(objective_of(model, clips, loss=loss), tmp_path, batch_size=20)
    _, clips, _ = make(partly, Sequential(), loss, head, start=False)
    counts = count_clips(clips, "pairs", model.backbone.rate)
    pairs = counts.amount[list(step.clips)].sum(axis=0)
    assert 0 < pairs[1] < pairs[0]
    batch = clips.batch(step.clips)
    single = []
    for person in range(2):
        model.zero_grad()
        predicted = model(
            batch["frames"].double(), batch["pooling_weights"].double(), torch.tensor([person])
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
    strategy = Joint(reduction=reduction)
    model, clips, _ = make(partly, strategy, correlation)
    objective = objective_of(model, clips, strategy, correlation)
    whole, _ = gradients(objective, tmp_path, batch_size=20)
    parts, _ = gradients(objective, tmp_path, batch_size=20, accumulate=3)
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-6, atol=1e-8)


def test_over_participants_who_heard_less_counts_as_much(make, partly, tmp_path):
    strategy = Joint(reduction="participants")
    model, clips, _ = make(partly, strategy, l2)
    assert clips.batch([0])["true"].shape[0] == 2  # their mean would not do
    joint, step = gradients(objective_of(model, clips, strategy), tmp_path, batch_size=20)
    batch = clips.batch(step.clips)
    model.zero_grad()
    predicted = model(batch["frames"].double(), batch["pooling_weights"].double())
    losses = [l2(predicted, batch["true"][[p]], batch["mask"][[p]]) for p in range(2)]
    (sum(losses) / 2).backward()
    for name, gradient in joint.items():
        own = dict(model.named_parameters())[name].grad
        torch.testing.assert_close(gradient, own, rtol=1e-5, atol=1e-7)


def test_training_in_parts_makes_the_same_steps(make, partly):
    model, clips, _ = make(partly, Sequential())
    begin = copy.deepcopy(model.state_dict())
    found = []
    for parts in (1, 3):
        model.load_state_dict(begin)
        found.append(train(objective_of(model, clips, Sequential()), accumulate=parts))
    for name in ("train_loss", "step"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-4)


def test_sequential_makes_a_step_for_each_participant_who_heard_the_batch(make, partly):
    model, clips, _ = make(partly, Sequential())
    steps = steps_of(clips, model, 2, per_participant_steps=True)
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
    steps = steps_of(clips, model, 2)
    epochs = [list(steps.steps(epoch)) for epoch in range(3)]
    assert epochs[1] != epochs[2]
    again = steps_of(clips, model, 2)
    assert [list(again.steps(epoch)) for epoch in (2, 0, 1)] == [epochs[n] for n in (2, 0, 1)]


def test_processes_share_a_step_and_an_empty_part_counts_nothing(make, responses):
    model, clips, _ = make(responses[:1])
    assert len(clips) < 6
    parts = [
        [part for (part,) in steps_of(clips, model, 8, n_processes=6, process=rank)]
        for rank in range(6)
    ]
    assert len({len(own) for own in parts}) == 1
    for step in zip(*parts, strict=True):
        assert sum(part.share[0] for part in step) == pytest.approx(1)
        assert step[-1].share == (0.0,)


def test_budgets_are_counted_in_steps_pairs_or_seconds_of_audio(make, partly):
    model, clips, _ = make(partly, JOINT, correlation)
    counts = count_clips(clips, "pairs", model.backbone.rate)
    joint = steps_of(clips, model, 4)
    sequential = steps_of(clips, model, 4, per_participant_steps=True)
    n_pairs = counts.heard.sum()
    assert joint.n_steps_of(("steps", 7)) == 7
    assert joint.n_steps_of(("pairs", n_pairs)) == joint.n_steps
    assert sequential.n_steps_of(("pairs", n_pairs)) == sequential.n_steps > joint.n_steps
    assert joint.n_steps_of(("pairs", 2 * n_pairs + 1)) == 2 * joint.n_steps + 1
    assert joint.n_steps_of(("seconds", counts.seconds.sum())) == joint.n_steps
    assert sequential.n_steps_of(("seconds", counts.seconds.sum())) < sequential.n_steps


def test_training_ends_with_its_budget_and_validates_the_last_weights(make, responses):
    model, clips, _ = make(responses[:3])
    objective = objective_of(model, clips, validation=clips)
    history = train(objective, budget=("steps", 5), patience=None)
    assert history["step"].iloc[-1] == 5
    assert history["step"].is_unique


def test_response_mean_is_one_participant_who_is_everybodys_mean(make, responses):
    _, clips, _ = make(responses[:2], ResponseMean(), correlation)
    batch = clips.batch([0])
    assert batch["true"].shape[0] == 1
    assert set(np.unique(batch["mask"])) <= {0.0, 1.0}


def test_shared_responses_are_fitted_on_the_tuning_runs_alone(make, stories, responses):
    model, clips, (maker, found) = make(responses[:3], SharedResponse(n_components=2))
    assert clips.batch([0])["true"].shape[0] == 1
    assert model.head.n_targets == 2
    assert found.keys == ("srm/000", "srm/001")
    apart = align(responses, dict.fromkeys(clips.targets.runs, 20) | {"story-3": 20}, z_score=True)
    tuning = [apart.runs[story.run_name] for story in stories[:3]]
    values, weights = (
        np.concatenate([getattr(run, name) for run in tuning], axis=1)
        for name in ("values", "weights")
    )
    maps = SharedResponseModel(2).fit(values, weights > 0, apart.participants)
    before = found.combine(tuning[0]).values
    held = match_runs(stories[3:], responses[3:], None, "validation")
    aligned = maker.placed(held, clips.targets, found)
    assert aligned.runs["story-3"].values.shape == (1, 20, 2)
    later = apart.runs["story-3"]
    expected, _ = maps.transform(later.values, later.weights > 0)
    np.testing.assert_allclose(aligned.runs["story-3"].values[0], expected, atol=1e-6)
    assert np.array_equal(found.combine(tuning[0]).values, before)


@pytest.mark.parametrize("strategy", ["response_mean", "shared_response"])
def test_one_response_of_all_needs_a_head_that_all_share(tuned, stories, responses, strategy):
    features = tuned(participants=strategy, head="individual")
    with pytest.raises(ValueError, match="makes one response of all participants"):
        features.fit(stories[:1], responses[:1])


def test_an_unknown_strategy_is_answered_with_close_matches():
    with pytest.raises(ValueError, match="sequential"):
        BrainTunedFeatures("tiny", participants="seqential").settings()


def test_the_joint_strategy_tunes_on_the_mean_where_that_is_the_same(responses):
    places = common_places(responses, own_targets=False)
    assert JOINT.combination(places, l2, SHARED).combine is weighted_mean
    for strategy, loss, head in (
        (JOINT, correlation, SHARED),
        (JOINT, l2, IndividualHead()),
        (Joint(reduction="participants"), l2, SHARED),
    ):
        assert strategy.combination(places, loss, head).combine is None
