import sys
import types

import pytest
import torch
import xarray as xr
from sklearn.base import clone

from encodekit.data import RunList, make_response
from encodekit.plugins import LossSpec, Plugin, Registry, registry, use_registry
from encodekit_brain_tuning import (
    BrainTunedFeatures,
    Exact,
    Sequential,
    SharedHead,
    Training,
    recipe_parameters,
)


@pytest.mark.parametrize("strategy", ["sequential", "response_mean", "shared_response"])
def test_a_strategy_tunes_and_is_validated(tuned, stories, responses, strategy):
    within = {"participants__n_components": 3} if strategy == "shared_response" else {}
    features = tuned(participants=strategy, training__epochs=1, **within)
    features.fit(stories[:2], responses[:2], validation=(stories[3:], responses[3:]))
    steps = features.history_["step"].iloc[-1]
    assert steps == (4 if strategy == "sequential" else 2)
    assert features.history_["validation_r"].notna().all()
    assert len(features.targets_) == (3 if strategy == "shared_response" else 6)


@pytest.mark.parametrize(
    ("head", "within"),
    [
        ("individual", {}),
        ("low_rank", {"head__rank": 3}),
        ("bottleneck", {"head__rank": 3}),
        ("mlp", {"head__n_hidden": 3}),
        ("unseen", {"head__rank": 3}),
    ],
)
def test_a_head_tunes_and_is_saved_with_the_model(
    tuned, stories, responses, head, within, tmp_path
):
    features = tuned(head=head, training__epochs=1, update="head_only", **within)
    features.fit(stories[:2], responses[:2], validation=(stories[3:], responses[3:]))
    assert features.history_["validation_r"].iloc[0] > 0.1  # the ridge solution
    features.save(tmp_path / "model")
    again = BrainTunedFeatures.load(tmp_path / "model")
    for name, value in features.model_.head.state_dict().items():
        assert (again.model_.head.state_dict()[name] == value).all()


def native(stories, responses):
    """P2 has other vertices than P1, and more."""
    runs = []
    for story, run in zip(stories, responses, strict=True):
        parts = [
            make_response(
                run.values[:, run.participant.values == person][:, :n], run=story.run_name,
                participant=person, tr_times=story.grid, t_r=2.0, hemisphere="left",
                vertex=vertices, space="native",
            )
            for person, n, vertices in [("P1", 3, [0, 1, 2]), ("P2", 4, [1, 2, 7, 8])]
        ]  # fmt: skip
        runs.append(xr.concat(parts, "target", combine_attrs="override"))
    return RunList(runs)


@pytest.mark.parametrize("loss", ["l2", "correlation"])
def test_individual_heads_tune_on_native_spaces(tuned, stories, responses, loss, tmp_path):
    own = native(stories, responses)
    features = tuned(head="individual", loss=loss, training__epochs=1)
    features.fit(stories[:3], own[:3], validation=(stories[3:], own[3:]))
    assert features.targets_[2:4] == ("P1/left/00002", "P2/left/00001")
    assert features.n_targets_ == 4
    assert features.history_["validation_r"].iloc[0] > 0
    weight = features.model_.head.weight
    assert (weight[0, :, 3] == 0).all()  # P1 has three targets
    assert (weight[1, :, 3] != 0).any()
    features.save(tmp_path / "model")
    assert BrainTunedFeatures.load(tmp_path / "model").targets_ == features.targets_


@pytest.mark.parametrize("head", ["shared", "low_rank", "unseen"])
def test_a_head_that_shares_targets_refuses_native_spaces(tuned, stories, responses, head):
    with pytest.raises(ValueError, match="head='individual'"):
        tuned(head=head).fit(stories[:1], native(stories[:1], responses[:1]))


def test_a_head_may_begin_at_random_on_the_features_as_they_are(tuned, stories, responses):
    features = tuned(head__start="random", training__epochs=1).fit(stories[:1], responses[:1])
    assert features.head_alpha_ is None
    assert (features.model_.head.mean == 0).all()
    assert (features.model_.head.scale == 1).all()


def test_a_target_of_weight_0_changes_nothing(tuned, stories, responses):
    weights = xr.ones_like(responses[0][0]).where(responses[0].region.values == "A1", 0.0)
    features = tuned(training__epochs=1, loss="correlation")
    of_regions = clone(features).set_params(targets=["A1"]).fit(stories[:1], responses[:1])
    weighted = features.fit(stories[:1], responses[:1], weights=weights)
    given = [fit.history_["train_loss"].iloc[-1] for fit in (of_regions, weighted)]
    assert given[0] == pytest.approx(given[1], rel=1e-5)


def test_weights_that_lack_a_target_or_are_negative_are_refused(tuned, stories, responses):
    weights = xr.ones_like(responses[0][0]).isel(target=slice(1, None))
    weights[0] = -1.0
    with pytest.raises(ValueError, match=r"P1/left/00001 has -1.0; P1/left/00000 has none"):
        tuned().fit(stories[:1], responses[:1], weights=weights)


def test_a_recipe_fills_in_what_is_left_at_its_default():
    features = BrainTunedFeatures.from_recipe(
        "moussa2025", backbone="somewhere", training__epochs=2
    )
    settings = features.settings()
    assert (settings.windows, settings.participants, settings.head) == (
        Exact(), Sequential(), SharedHead(start="random"),
    )  # fmt: skip
    assert settings.training.epochs == 2
    recipe = recipe_parameters("moussa2025")
    expected = recipe | {"training": recipe["training"].replace(epochs=2)}
    assert {name: getattr(settings, name) for name in expected} == expected
    assert {name: features.get_params()[name] for name in expected} == expected
    assert recipe_parameters("moussa2025")["training"].epochs == 30


def test_the_recipe_is_what_is_tuned_by_and_every_value_is_printed(
    backbone_folder, stories, responses, capsys
):
    features = BrainTunedFeatures.from_recipe(
        "moussa2025",
        backbone=backbone_folder,
        training__keep="last",
        training__epochs=1,
        runtime__cache=None,
        runtime__device="cpu",
    )
    said = capsys.readouterr().err
    assert all(f"  {name} = {value!r}\n" in said for name, value in features.get_params().items())
    assert {*recipe_parameters("moussa2025"), "training__epochs"} <= set(features.get_params())
    features.fit(stories[:1], responses[:1])
    n_lengths = len({story.shape[-1] for story in features.transform(stories[3:])}) or 1
    assert features.history_["step"].iloc[-1] >= 2 * n_lengths  # a step for each participant
    assert any("lora" in name for name, _ in features.model_.named_parameters())


def test_an_unknown_recipe_is_answered():
    with pytest.raises(ValueError, match="moussa2025"):
        BrainTunedFeatures.from_recipe("mousa2025")


def test_all_mistakes_come_in_one_message():
    with pytest.raises(ValueError, match=r"'bset'.*epochs=0 and accumulate=0.*budget="):
        Training(keep="bset", epochs=0, accumulate=0, budget=5)
    with pytest.raises(ValueError, match=r"'bset'.*epochs=0 and accumulate=0.*budget="):
        BrainTunedFeatures().set_params(
            training__keep="bset", training__epochs=0, training__accumulate=0, training__budget=5
        )
    with pytest.raises(ValueError, match=r"'jiont'.*'joint'"):
        BrainTunedFeatures(participants="jiont").settings()


@pytest.mark.parametrize("budget", [("hours", 3), ("steps", 0), ("steps",), 7])
def test_a_budget_that_is_none_is_answered(budget):
    with pytest.raises(ValueError, match=r"\('steps', 500\)|unknown unit of the budget"):
        Training(budget=budget)


def test_bfloat16_tunes_on_a_cpu_too(tuned, stories, responses):
    exact = tuned(training__epochs=1).fit(stories[:2], responses[:2])
    coarse = tuned(training__epochs=1, runtime__precision="bfloat16").fit(
        stories[:2], responses[:2]
    )
    losses = [fit.history_["train_loss"].iloc[-1] for fit in (exact, coarse)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert coarse.transform(stories[3:]).dtype == "float32"


def test_a_third_partys_loss_is_used_by_its_name(tuned, stories, responses, monkeypatch):
    seen = []

    def absolute(predicted, true, mask):
        seen.append(mask.shape)
        return (mask * (predicted - true).abs()).sum() / mask.sum().clamp_min(1)

    module = types.ModuleType("my_lab_losses")
    module.absolute = absolute
    monkeypatch.setitem(sys.modules, "my_lab_losses", module)
    spec = LossSpec("absolute", load="my_lab_losses:absolute", summary="mean absolute error")
    theirs = Plugin("my-lab", "my-lab", "1.0", "my_lab", records=(("losses", spec),))
    with use_registry(Registry([*registry().plugins, theirs])):
        tuned(loss="absolute", training__epochs=1).fit(stories[:1], responses[:1])
    assert seen[0][0] == 2  # participants


def test_attention_is_computed_by_sdpa(tuned, stories, responses):
    features = tuned(update="head_only", training__epochs=1).fit(stories[:1], responses[:1])
    assert features.model_.backbone.model.config._attn_implementation == "sdpa"


class Writer:
    """What torch's SummaryWriter is, as far as it is used."""

    written: list = []  # noqa: RUF012

    def __init__(self, folder):
        self.folder = folder

    def add_scalar(self, name, value, step):
        self.written.append((name, value, step))

    def close(self):
        self.written.append(("closed", None, None))


def test_tensorboard_gets_every_step_and_every_validation(
    tuned, stories, responses, tmp_path, monkeypatch
):
    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    monkeypatch.setattr(Writer, "written", [])
    features = tuned(training__epochs=1, runtime__tensorboard=tmp_path).fit(
        stories[:2], responses[:2], validation=(stories[3:], responses[3:])
    )
    steps = [step for name, _, step in Writer.written if name == "step/loss"]
    assert steps == list(range(1, int(features.history_["step"].iloc[-1]) + 1))
    r = [value for name, value, _ in Writer.written if name == "validation/validation_r"]
    assert r == features.history_["validation_r"].tolist()
    assert Writer.written[-1][0] == "closed"


def test_without_tensorboard_the_pip_line_is_named(
    tuned, stories, responses, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'encodekit-brain-tuning\[tensorboard\]'"):
        tuned(runtime__tensorboard=tmp_path).fit(stories[:1], responses[:1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("strategy", ["joint", "sequential"])
def test_a_gpu_tunes_in_bfloat16_as_a_cpu_does_in_float32(tuned, stories, responses, strategy):
    losses = []
    for device, precision in [("cpu", "float32"), ("cuda", "float32"), ("cuda", "auto")]:
        features = tuned(
            training__epochs=1,
            runtime__device=device,
            runtime__precision=precision,
            participants=strategy,
        )
        features.fit(stories[:2], responses[:2])
        losses.append(features.history_["train_loss"].iloc[-1])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert losses[2] == pytest.approx(losses[0], rel=0.05)
