"""Comparisons differ in the weights alone."""

import numpy as np

from encodekit_brain_tuning._experiment import Settings, pretrained_features


def test_pretrained_features_are_read_as_those_of_a_tuned_model_are(
    tuned, backbone_folder, stories, responses
):
    """Weights that were not tuned: the same features, window for window and TR for TR."""
    settings = Settings(backbone_folder, tuning={"chunk": 16.0, "epochs": 1})
    head = tuned(trainable="head", layer="all", epochs=1, chunk=16.0).fit(
        stories[:2], responses[:2]
    )
    before = pretrained_features(settings).transform(stories[2:])
    after = head.transform(stories[2:])
    np.testing.assert_allclose(after.values, before.values, rtol=1e-4, atol=1e-5)
