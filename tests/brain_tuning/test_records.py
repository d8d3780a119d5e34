"""What is recorded of a tuning: in results, audits, folders and the identity of checkpoints."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.reports._decisions import decisions_of
from encodekit.reports._evaluate import recorded_steps
from encodekit_brain_tuning import (
    BrainTunedFeatures,
    HeadOnly,
    Lora,
    ResponseMean,
    Runtime,
    Sequential,
    ShuffledTunedFeatures,
    StimulusTunedFeatures,
    Training,
    Units,
)
from encodekit_brain_tuning._build import about
from encodekit_brain_tuning.backbones import load_backbone


def test_a_result_names_the_parts_that_were_used(tuned):
    one = recorded_steps(make_pipeline(tuned(participants=Sequential(), head="mlp")))
    other = recorded_steps(make_pipeline(tuned(participants=ResponseMean(), update=HeadOnly())))
    given = one[0]["parameters"]
    assert (given["participants"], given["head"], given["update"]) == (
        "Sequential", "MlpHead", "AllWeights",
    )  # fmt: skip
    assert given["training__epochs"] == 2
    assert other[0]["parameters"]["update"] == "HeadOnly"


@pytest.mark.parametrize(
    ("keep", "how", "kind"),
    [("last", "the final step", ""), ("best", "keep='best' on the validation runs: r ", "chosen")],
)
def test_the_audit_says_by_what_rule_weights_were_kept(tuned, stories, responses, keep, how, kind):
    features = tuned(training__keep=keep, training__epochs=1)
    features.fit(stories[:2], responses[:2], validation=(stories[3:], responses[3:]))
    found = {decision.what: decision for decision in decisions_of(make_pipeline(features), None)}
    assert found["loss"].value == "l2"
    assert found["epoch"].how.startswith(how)
    assert (found["epoch"].role == "chosen") == (kind == "chosen")


def test_stimulus_tuning_is_audited_by_its_objective_and_validated_on_a_part_of_a_study(
    study_of, backbone_folder, stories, responses
):
    part = study_of(stories, responses).split(tune=["story-0"], validate=["story-1"]).validate
    features = StimulusTunedFeatures(
        backbone_folder, objective=Units(4), training=Training(budget=("steps", 2)),
        runtime=Runtime("cpu", cache=None),
    ).fit(stories[:1], validation=part)  # fmt: skip
    assert features.history_["validation_loss"].notna().all()
    found = {decision.what: decision for decision in decisions_of(make_pipeline(features), None)}
    assert found["loss"].value == "Units(n_units=4)"
    assert found["epoch"].how == "the final step"
    pair = StimulusTunedFeatures(backbone_folder, objective=Units(4)).set_params(
        training__budget=("steps", 2), runtime__device="cpu"
    )
    pair.fit(stories[:1], validation=(stories[1:2], responses[1:2]))
    assert list(pair.validated_on_.values()) == ["story-1"]


def test_shuffled_tuning_is_validated_on_a_part_of_a_study(
    study_of, backbone_folder, stories, responses
):
    parts = study_of(stories, responses).split(
        tune=["story-0", "story-1"], validate=["story-2", "story-3"]
    )
    features = ShuffledTunedFeatures(
        backbone_folder, training=Training(budget=("steps", 1)), runtime=Runtime("cpu", cache=None)
    )
    features.fit(parts.tune.stimuli, parts.tune.responses(), validation=parts.validate)
    assert list(features.validated_on_.values()) == ["story-2", "story-3"]


class MyTraining(Training):
    """Training with a parameter of its own."""

    patience_factor: float = 2.0


def test_a_subclass_of_closed_settings_is_saved_as_what_it_is(tuned, stories, responses, tmp_path):
    features = tuned(training=MyTraining(epochs=1, patience_factor=3.0))
    features.fit(stories[:1], responses[:1]).save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"'MyTraining', which is your own: pass load"):
        BrainTunedFeatures.load(tmp_path / "model")
    again = BrainTunedFeatures.load(tmp_path / "model", classes=[MyTraining])
    assert again.training == features.training
    assert type(again.training) is MyTraining


def test_a_model_is_loaded_for_another_runtime(tuned, stories, responses, tmp_path):
    tuned(training__epochs=1).fit(stories[:1], responses[:1]).save(tmp_path / "model")
    again = BrainTunedFeatures.load(tmp_path / "model", runtime=Runtime("cpu", n_workers=1))
    assert again.runtime == Runtime("cpu", n_workers=1)


def test_a_gpu_that_is_not_there_is_answered(tuned, stories, responses):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match=r"torch finds no GPU: set_params\(runtime__device=None"):
        tuned(runtime__device="cuda").fit(stories[:1], responses[:1])


def signed(sign):
    def loss(predicted, true, mask):
        return sign * (mask * (predicted - true) ** 2).mean()

    return loss


class Scaled:
    """A loss that is an object."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, predicted, true, mask):
        return self.scale * (mask * (predicted - true) ** 2).mean()


def test_losses_of_one_name_are_told_apart_by_what_they_compute(tuned):
    def identity(loss):
        return about(tuned(loss=loss).settings(), 0, load_backbone("tiny"), [])["settings.loss"]

    assert identity(signed(1.0)) != identity(signed(-1.0))
    assert identity(signed(1.0)) == identity(signed(1.0))
    assert identity(Scaled(1.0)) != identity(Scaled(2.0))
    assert "0x" not in identity(Scaled(1.0))
    weights = np.arange(5000.0)
    other = weights.copy()
    other[2500] = 0
    assert identity(Scaled(weights)) != identity(Scaled(other))


def test_the_identity_names_the_plugins_there_are(tuned):
    found = about(tuned().settings(), 0, load_backbone("tiny"), [])["version.plugins"]
    assert "encodekit-brain-tuning" in found


def test_a_rule_that_needs_validation_is_refused_before_anything_is_computed(
    tuned, stories, responses, tmp_path
):
    features = tuned(training__keep="best", runtime__stem_cache=tmp_path / "stems")
    with pytest.raises(ValueError, match="keep='best' chooses weights by validation runs"):
        features.fit(stories[:1], responses[:1])
    assert not (tmp_path / "stems").exists()


def test_two_stimuli_of_one_run_are_refused(tuned, stories, responses):
    with pytest.raises(ValueError, match="2 runs have the name 'story-0'"):
        tuned().fit([stories[0], stories[0]], responses[:1])


def test_windows_that_are_read_alike_have_one_key(backbone_folder, stories):
    from encodekit_brain_tuning import Streamed

    keys = [
        ek.SpeechFeatures(backbone_folder, windows=windows)._key(stories[0])
        for windows in (Streamed(16), "streamed", Streamed(16, join=40.0), Streamed(12))
    ]
    assert keys[0] == keys[2]
    assert len({*keys}) == 3


def test_a_stimulus_tuned_model_has_a_sentence_of_its_own(backbone_folder, stories):
    from encodekit.reports._methods import _said

    (step,) = recorded_steps(
        make_pipeline(StimulusTunedFeatures(backbone_folder, objective=Units(4), update=Lora(4)))
    )
    said, _ = _said(step)
    assert said.startswith(f"The speech model `{backbone_folder}` was tuned on the stimuli alone")
    assert "Units" in said
    assert "runtime__" not in said


def test_what_is_kept_of_other_features_of_the_stimuli_is_said(backbone_folder, stories):
    features = StimulusTunedFeatures(
        backbone_folder, objective="acoustic", update="head_only",
        training=Training(budget=("steps", 2), learning_rate=1e-9, keep="two_se"),
        runtime=Runtime("cpu", cache=None),
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        features.fit(stories[:2], validation=stories[3:])
    assert features.reverted_to_pretrained_
    assert any("the weights are the pretrained ones" in str(item.message) for item in caught)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"update__dropout": 0.5}, r"^update.dropout changed by set_params since this was tuned"),
        ({"head": "mlp"}, r"^head, head.n_hidden|^head changed by set_params"),
        ({"training__epochs": 9}, r"^training.epochs changed by set_params"),
    ],
)
def test_parameters_that_are_not_those_of_the_fit_are_not_saved(
    tuned, stories, responses, tmp_path, change, said
):
    features = tuned(training__epochs=1).fit(stories[:1], responses[:1])
    features.set_params(**change)
    with pytest.raises(ValueError, match=said):
        features.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_how_a_tuned_model_is_read_may_change_before_it_is_saved(
    tuned, stories, responses, tmp_path
):
    features = tuned(training__epochs=1).fit(stories[:1], responses[:1])
    features.set_params(layer=1, windows__overlap=9.0, runtime__n_workers=1).save(tmp_path / "m")
    again = BrainTunedFeatures.load(tmp_path / "m")
    assert (again.layer, again.windows.overlap) == (1, 9.0)
