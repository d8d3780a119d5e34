"""Heads, strategies, updates and losses of one's own, that no plugin registers, in saved models."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.core import Settings
from encodekit.features import transformer_blocks
from encodekit_brain_tuning import (
    AdaptedHead,
    BrainTunedFeatures,
    Combination,
    Hybrid,
    Runtime,
    SharedHead,
    Strategy,
    Streamed,
    Training,
    Update,
)
from encodekit_brain_tuning.heads import SharedHeadModule
from encodekit_brain_tuning.losses import huber_cosine


class HalvedModule(SharedHeadModule):
    """The shared head's prediction, times a factor."""

    def predict(self, z, people):
        """Return the same for everybody."""
        return self.factor * super().predict(z, people)


class HalvedHead(SharedHead):
    """A head of my own."""

    module = HalvedModule
    factor: float = 0.5


class Amplified(Strategy):
    """A strategy of my own: everybody's fMRI, times a factor."""

    factor: float = 2.0

    def combination(self, tuning, loss, head):
        """Return the participants apart, amplified."""
        return Combination(lambda run: replace(run, values=self.factor * run.values))


class LowestBlocks(Update):
    """An update of my own: the first blocks learn."""

    n: int = 1

    def apply(self, backbone):
        """Let them learn."""
        for block in transformer_blocks(backbone.model)[: self.n]:
            block.requires_grad_(requires_grad=True)


def absolute(predicted, true, mask):
    """A loss of my own."""
    return (mask * (predicted - true).abs()).sum() / mask.sum().clamp_min(1)


class Weighed(Settings):
    """A loss of my own with a parameter."""

    weight: float = 1.0

    def __call__(self, predicted, true, mask):
        """Return the loss."""
        return self.weight * absolute(predicted, true, mask)


OWN = {
    "head": HalvedHead(0.25),
    "participants": Amplified(3.0),
    "update": LowestBlocks(2),
    "loss": absolute,
    "loss object": Weighed(0.5),
    "loss within": Hybrid(then=absolute, begin=0.0, end=0.0),
}
LACKS = {kind: type(value).__name__ for kind, value in OWN.items()} | {
    "loss": "absolute", "loss within": "absolute",
}  # fmt: skip
TOLD = {
    "head": "| head | HalvedHead(start='ridge', layer=None, factor=0.25) |",
    "participants": "| participants combined by | Amplified(z_score=True, factor=3.0) |",
    "update": "| update | LowestBlocks(dropout=None, n=2) |",
    "loss": "| loss | absolute |",
    "loss object": "| loss | Weighed(weight=0.5) |",
    "loss within": "| loss | Hybrid(first='correlation', then=absolute, begin=0.0, end=0.0) |",
}
CLASSES = [HalvedHead, Amplified, LowestBlocks, absolute, Weighed]


@pytest.fixture(scope="module", params=OWN)
def own(request, backbone_folder, stories, responses):
    features = BrainTunedFeatures(
        backbone_folder,
        windows=Streamed(chunk=16.0),
        training=Training(epochs=1, learning_rate=3e-3, batch_size=4),
        runtime=Runtime(cache=None, device="cpu"),
        layer="all",
    )
    changes = {request.param.partition(" ")[0]: OWN[request.param]}
    return request.param, features.set_params(**changes).fit(stories[:2], responses[:2])


def test_an_object_that_nobody_registered_is_saved_as_what_it_is(own, stories, tmp_path):
    kind, features = own
    features.save(tmp_path / "model")
    loaded = BrainTunedFeatures.load(tmp_path / "model", classes=CLASSES)
    assert loaded.get_params() == features.get_params()
    name = kind.partition(" ")[0]
    assert getattr(loaded, name) == OWN[kind]
    assert loaded.weights_hash() == features.weights_hash()
    np.testing.assert_array_equal(
        loaded.transform(stories[3:]).values, features.transform(stories[3:]).values
    )
    card = (tmp_path / "model" / "README.md").read_text()
    assert TOLD[kind] in card


def test_it_is_refused_by_name_where_it_is_not_handed_over(own, tmp_path):
    kind, features = own
    features.save(tmp_path / "model")
    name = LACKS[kind]
    lacking = [cls for cls in CLASSES if cls.__name__ != name]
    for given in ({}, {"classes": lacking}):
        with pytest.raises(
            ValueError, match=rf"has '{name}', which is your own: .*classes=\[{name}\]"
        ):
            BrainTunedFeatures.load(tmp_path / "model", **given)


def test_so_it_is_in_a_pipeline_and_in_a_head_for_new_participants(
    own, stories, responses, make_responses, tmp_path
):
    kind, features = own
    pipeline = make_pipeline(features.frozen(), ek.Delayer([1, 2]), ek.RidgeCV(cv=None))
    ek.save(pipeline.fit(stories[2:], responses[2:]), tmp_path / "pipeline")
    head = features.adapt(stories[2:3], make_responses(stories[2:3], people=("P8",)))
    head.save(tmp_path / "head")
    lacking = rf"'{LACKS[kind]}', which is your own"
    for load, name in ((ek.load, "pipeline"), (AdaptedHead.load, "head")):
        with pytest.raises(ValueError, match=lacking):
            load(tmp_path / name)
    again = ek.load(tmp_path / "pipeline", classes=CLASSES)
    np.testing.assert_array_equal(
        again.predict(stories[3:]).values, pipeline.predict(stories[3:]).values
    )
    loaded = AdaptedHead.load(tmp_path / "head", classes=CLASSES)
    np.testing.assert_array_equal(
        loaded.predict(stories[3:]).values, head.predict(stories[3:]).values
    )


@pytest.mark.parametrize("own", ["head", "participants", "update"], indirect=True)
def test_another_thing_of_the_same_name_is_refused(own, tmp_path):
    kind, features = own
    features.save(tmp_path / "model")
    impostor = type(LACKS[kind], (), {})
    with pytest.raises(ValueError, match=rf"{kind} is a .*expected a class that extends"):
        BrainTunedFeatures.load(tmp_path / "model", classes=[impostor])


def test_a_registered_loss_is_saved_by_its_name(tuned, stories, responses, tmp_path):
    features = tuned(loss=huber_cosine, training__epochs=1).fit(stories[:1], responses[:1])
    features.save(tmp_path / "model")
    assert BrainTunedFeatures.load(tmp_path / "model").loss is huber_cosine


def test_a_loss_without_a_name_is_refused_when_it_is_saved(tuned, stories, responses, tmp_path):
    features = tuned(loss=lambda *given: absolute(*given), training__epochs=1)
    features.fit(stories[:1], responses[:1])
    with pytest.raises(TypeError, match=r"loss is a builtins.function, which cannot be saved"):
        features.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
