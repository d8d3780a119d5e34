"""What brain-tuning registers; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit.plugins import BackboneSpec, RegionSpec, hookimpl

encodekit_api = 1


@hookimpl
def encodekit_backbones() -> Iterator[BackboneSpec]:
    """Return the speech encoder that ships with this plugin."""
    yield BackboneSpec(
        "tiny",
        load="encodekit_brain_tuning._tiny:tiny_backbone",
        summary="small recogniser of synthetic words (1 M parameters), shipped with the plugin",
    )


@hookimpl
def encodekit_regions() -> Iterator[RegionSpec]:
    """Return the Glasser atlas's selector."""
    yield RegionSpec(
        "glasser",
        load="encodekit_brain_tuning._glasser:GlasserSelector",
        summary="HCP-MMP1.0 (Glasser 2016): 180 areas per hemisphere, groups and cortices",
    )
