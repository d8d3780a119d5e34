"""What brain-tuning registers; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit.plugins import BackboneSpec, CommandSpec, FeatureSpec, LossSpec, RegionSpec, hookimpl

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


@hookimpl
def encodekit_features() -> Iterator[FeatureSpec]:
    """Return the extractor whose fit fine-tunes."""
    yield FeatureSpec(
        "brain-tuned",
        load="encodekit_brain_tuning:BrainTunedFeatures",
        summary="layers of a speech model fine-tuned on the fMRI of several participants",
    )
    yield FeatureSpec(
        "shuffled-tuned",
        load="encodekit_brain_tuning._shuffled:ShuffledTunedFeatures",
        summary="a control: tuned on fMRI that belongs to other stories",
    )


@hookimpl
def encodekit_losses() -> Iterator[LossSpec]:
    """Losses between predicted and true fMRI."""
    yield LossSpec(
        "l2",
        load="encodekit_brain_tuning._losses:l2",
        summary="mean squared error",
    )
    yield LossSpec(
        "correlation",
        load="encodekit_brain_tuning._losses:correlation",
        summary="1 - Pearson's r over targets",
    )
    yield LossSpec(
        "temporal_correlation",
        load="encodekit_brain_tuning._losses:temporal_correlation",
        summary="1 - Pearson's r over the TRs of a batch, target by target",
    )
    yield LossSpec(
        "cosine_l2",
        load="encodekit_brain_tuning._losses:cosine_l2",
        summary="half (1 - cosine over targets), half mean squared error",
    )
    yield LossSpec(
        "huber_cosine",
        load="encodekit_brain_tuning._losses:huber_cosine",
        summary="Huber loss (delta .6) and 1 - cosine over targets, as in the public code",
    )
    yield LossSpec(
        "hybrid",
        load="encodekit_brain_tuning._losses:Hybrid",
        summary="correlation first, then mean squared error",
    )


@hookimpl
def encodekit_commands() -> Iterator[CommandSpec]:
    """Return the commands ``demo`` and ``tune``."""
    yield CommandSpec(
        "demo",
        load="encodekit_brain_tuning._demo:demo",
        summary="Tune a small speech model on simulated people, test it on others, write a report.",
    )
    yield CommandSpec(
        "tune",
        load="encodekit_brain_tuning._tune_command:tune",
        summary="Tune a speech model on the fMRI of a study's participants and save it.",
    )
