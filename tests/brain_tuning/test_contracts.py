"""What brain_tuning registers keeps the contracts that other people's plugins are held to."""

import pytest

import encodekit as ek
from encodekit.testing import check_feature_extractor, check_loss, small_study
from encodekit.testing._features import FEATURE_CHECKS
from encodekit.testing._losses import LOSS_CHECKS

STUDY = small_study(n_participants=2, n_stories=2, seconds=12.0, missing=False)
SKIP = {
    "temporal_correlation": {
        "the_order_of_pairs_does_not_matter": "its first of three axes is the participant"
    }
}


@pytest.mark.filterwarnings("ignore::encodekit_brain_tuning.TunedOnWarning")
@pytest.mark.parametrize("name", ["brain-tuned", "shuffled-tuned"])
def test_its_extractors_pass(name, backbone_folder):
    features = ek.make_features(
        name, backbone=backbone_folder, head="individual", epochs=1, batch_size=4, chunk=16.0,
        cache=None, device="cpu",
    )  # fmt: skip
    skip = {"it_takes_what_every_extractor_takes": "the resampling is that of the tuning"}
    passed = check_feature_extractor(features, STUDY, skip=skip)
    assert len(passed) == len(FEATURE_CHECKS) - 1


@pytest.mark.parametrize(
    "name", ["l2", "correlation", "temporal_correlation", "cosine_l2", "huber_cosine", "hybrid"]
)
def test_its_losses_pass(name):
    skip = SKIP.get(name, {})
    assert len(check_loss(ek.make_loss(name), skip=skip)) == len(LOSS_CHECKS) - len(skip)
