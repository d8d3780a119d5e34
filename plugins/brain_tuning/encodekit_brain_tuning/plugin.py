"""What brain-tuning registers; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit.plugins import BackboneSpec, hookimpl

encodekit_api = 1


@hookimpl
def encodekit_backbones() -> Iterator[BackboneSpec]:
    """Return the speech encoder that ships with this plugin."""
    yield BackboneSpec(
        "tiny",
        load="encodekit_brain_tuning._tiny:tiny_backbone",
        summary="small recogniser of synthetic words (1 M parameters), shipped with the plugin",
    )
