"""A recipe fills in parameters, and whatever the user writes wins over it."""

import pytest

from encodekit.core import Settings
from encodekit_brain_tuning import (
    AllWeights,
    BrainTunedFeatures,
    Joint,
    MlpHead,
    Runtime,
    Streamed,
    Training,
    recipe_parameters,
)

OTHER = {
    "loss": "correlation",
    "participants__z_score": False,
    "head__start": "ridge",
    "head__layer": 3,
    "windows__pooling": "last",
    "update__rank": 4,
    "update__modules": "attention+feed_forward",
    "update__alpha": None,
    "update__blocks": 2,
    "update__dropout": None,
    "training__epochs": 2,
    "training__learning_rate": 1e-3,
    "training__batch_size": 8,
    "training__budget": ("steps", 5),
    "training__keep": "two_se",
    "training__patience": None,
    "training__validate_every": 7,
    "training__head_learning_rate": None,
    "training__warmup": 0.0,
    "training__weight_decay": 0.0,
    "training__accumulate": 2,
    "runtime__device": "cpu",
    "runtime__precision": "auto",
    "runtime__checkpoint": "somewhere",
    "runtime__checkpoint_every": 3,
    "runtime__stem_cache": None,
    "runtime__stem_dtype": "float32",
    "runtime__stem_cache_gb": 1.0,
    "runtime__cache": None,
    "runtime__recompute": True,
    "runtime__n_workers": 1,
    "runtime__tensorboard": "elsewhere",
}


def test_every_value_of_the_recipe_is_tried():
    deep = BrainTunedFeatures(**recipe_parameters("moussa2025")).get_params()
    of_recipe = {
        key
        for name, value in recipe_parameters("moussa2025").items()
        for key in deep
        if key.startswith(f"{name}__") or (key == name and not isinstance(value, Settings))
    }
    assert set(OTHER) == of_recipe


@pytest.mark.parametrize("key", OTHER)
def test_what_is_written_wins_over_the_recipe(key):
    """Also where it is the default, such as a batch size of 8."""
    recipe = BrainTunedFeatures.from_recipe("moussa2025").get_params()
    assert recipe[key] != OTHER[key]
    found = BrainTunedFeatures.from_recipe("moussa2025", **{key: OTHER[key]})
    holder = key.partition("__")[0]
    changed = {key: OTHER[key]}
    if holder != key:
        changed[holder] = recipe[holder].replace(**{key.partition("__")[2]: OTHER[key]})
    assert found.get_params() == recipe | changed
    settings = found.settings()
    assert getattr(settings, holder) == changed[holder]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("participants", Joint()), ("participants", "joint"), ("head", MlpHead(3)),
        ("head", "shared"), ("windows", Streamed()), ("windows", "streamed"),
        ("update", AllWeights()), ("update", "lora"), ("training", Training()),
        ("runtime", Runtime()),
    ],
)  # fmt: skip
def test_a_whole_object_that_is_written_wins_over_the_recipe(name, value):
    recipe = BrainTunedFeatures.from_recipe("moussa2025").get_params(deep=False)
    found = BrainTunedFeatures.from_recipe("moussa2025", **{name: value})
    assert found.get_params(deep=False) == recipe | {name: value}


def test_what_no_recipe_sets_can_be_written_beside_it():
    found = BrainTunedFeatures.from_recipe(
        "moussa2025", backbone="tiny", targets=["A1"], layer=2, history=8.0, random_state=3
    )
    assert (found.backbone, found.targets, found.layer) == ("tiny", ["A1"], 2)
    assert (found.history, found.random_state) == (8.0, 3)


def test_a_recipe_is_the_same_after_it_was_overridden():
    before = recipe_parameters("moussa2025")
    BrainTunedFeatures.from_recipe("moussa2025", training__epochs=1, update__rank=1)
    recipe_parameters("moussa2025")["loss"] = "l3"
    assert recipe_parameters("moussa2025") == before
    assert BrainTunedFeatures.from_recipe("moussa2025").get_params(deep=False) == (
        BrainTunedFeatures().get_params(deep=False) | before
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"training__batchsize": 8}, r"Training: unknown parameter 'batchsize': .*'batch_size'"),
        ({"bach_size": 8}, r"unknown parameter of BrainTunedFeatures 'bach_size'"),
        ({"training__epochs": 0}, r"epochs=0: expected at least 1"),
    ],
)
def test_a_recipe_with_a_wrong_override_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        BrainTunedFeatures.from_recipe("moussa2025", **wrong)


def test_the_recipe_wants_validation(tuned, stories, responses, backbone_folder):
    """It keeps the best weights, as published, and there is nothing to tell them by."""
    features = BrainTunedFeatures.from_recipe(
        "moussa2025", backbone=backbone_folder, training__epochs=1, runtime__device="cpu"
    )
    with pytest.raises(ValueError, match=r"keep='best' chooses weights by validation runs"):
        features.fit(stories[:1], responses[:1])
