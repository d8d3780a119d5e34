"""What the pitch plugin registers; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit import FeatureSpec, hookimpl

encodekit_api = 1


@hookimpl
def encodekit_features() -> Iterator[FeatureSpec]:
    """Return the pitch extractor."""
    yield FeatureSpec(
        "pyin-pitch",
        load="encodekit_example_pitch.features:PitchFeatures",
        summary="fundamental frequency of the voice and whether there is one, by pYIN",
    )
