"""What brain_tuning registers keeps the contracts that other people's plugins are held to."""

import pytest

import encodekit as ek
from encodekit.testing import check_feature_extractor, check_loss, small_study
from encodekit.testing._features import FEATURE_CHECKS
from encodekit.testing._losses import LOSS_CHECKS
from encodekit_brain_tuning import Runtime, Streamed, Training, Units

STUDY = small_study(n_participants=2, n_stories=2, seconds=12.0, missing=False)
SKIP = {
    "temporal_correlation": {
        "the_order_of_pairs_does_not_matter": "its first of three axes is the participant"
    }
}


@pytest.mark.filterwarnings("ignore::encodekit_brain_tuning.TunedOnWarning")
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("brain-tuned", {"head": "individual"}),
        ("shuffled-tuned", {"head": "individual"}),
        ("stimulus-tuned", {"objective": Units(8)}),
    ],
)
def test_its_extractors_pass(name, own, backbone_folder):
    features = ek.make_features(
        name,
        backbone=backbone_folder,
        **own,
        windows=Streamed(chunk=16.0),
        training=Training(epochs=1, batch_size=4),
        runtime=Runtime(cache=None, device="cpu"),
    )
    skip = {"it_takes_what_every_extractor_takes": "the resampling is that of the tuning"}
    passed = check_feature_extractor(features, STUDY, skip=skip)
    assert len(passed) == len(FEATURE_CHECKS) - 1


@pytest.mark.parametrize(
    "name", ["l2", "correlation", "temporal_correlation", "cosine_l2", "huber_cosine", "hybrid"]
)
def test_its_losses_pass(name):
    skip = SKIP.get(name, {})
    assert len(check_loss(ek.make_loss(name), skip=skip)) == len(LOSS_CHECKS) - len(skip)
