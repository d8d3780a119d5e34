"""What brain-tuning registers; imported at discovery, so records only."""

from collections.abc import Iterator

from encodekit.plugins import (
    BackboneSpec,
    CommandSpec,
    FeatureSpec,
    HeadSpec,
    LossSpec,
    RegionSpec,
    StrategySpec,
    UpdateSpec,
    hookimpl,
)

encodekit_api = 1


@hookimpl
def encodekit_backbones() -> Iterator[BackboneSpec]:
    """Return the speech encoders that ship with this plugin."""
    yield BackboneSpec(
        "tiny",
        load="encodekit_brain_tuning.backbones._shipped:tiny_backbone",
        summary="small recogniser of synthetic words (1 M parameters), shipped with the plugin",
    )
    yield BackboneSpec(
        "whisper-tiny.en",
        load="encodekit_brain_tuning.backbones._shipped:whisper_tiny_en",
        summary="encoder of OpenAI's Whisper tiny.en (8 M parameters), shipped with the plugin",
    )


@hookimpl
def encodekit_regions() -> Iterator[RegionSpec]:
    """Return the Glasser atlas's selector."""
    yield RegionSpec(
        "glasser",
        load="encodekit_brain_tuning.targets:GlasserSelector",
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
        load="encodekit_brain_tuning._shuffled_tuned:ShuffledTunedFeatures",
        summary="a control: tuned on fMRI that belongs to other stories",
    )
    yield FeatureSpec(
        "stimulus-tuned",
        load="encodekit_brain_tuning:StimulusTunedFeatures",
        summary="a baseline: tuned on the stimuli alone, by self-supervision or other features",
    )


@hookimpl
def encodekit_losses() -> Iterator[LossSpec]:
    """Losses between predicted and true fMRI."""
    yield LossSpec(
        "l2",
        load="encodekit_brain_tuning.losses:l2",
        summary="mean squared error",
    )
    yield LossSpec(
        "correlation",
        load="encodekit_brain_tuning.losses:correlation",
        summary="1 - Pearson's r over targets",
    )
    yield LossSpec(
        "temporal_correlation",
        load="encodekit_brain_tuning.losses:temporal_correlation",
        summary="1 - Pearson's r over the TRs of a batch, target by target",
    )
    yield LossSpec(
        "cosine_l2",
        load="encodekit_brain_tuning.losses:cosine_l2",
        summary="half (1 - cosine over targets), half mean squared error",
    )
    yield LossSpec(
        "huber_cosine",
        load="encodekit_brain_tuning.losses:huber_cosine",
        summary="Huber loss (delta .6) and 1 - cosine over targets, as in the public code",
    )
    yield LossSpec(
        "hybrid",
        load="encodekit_brain_tuning.losses:Hybrid",
        summary="correlation first, then mean squared error",
    )


@hookimpl
def encodekit_heads() -> Iterator[HeadSpec]:
    """From hidden states to fMRI."""
    yield HeadSpec(
        "shared",
        load="encodekit_brain_tuning.heads:SharedHead",
        summary="one linear map for all participants",
    )
    yield HeadSpec(
        "individual",
        load="encodekit_brain_tuning.heads:IndividualHead",
        summary="a linear map for each participant, native space allowed",
    )
    yield HeadSpec(
        "low_rank",
        load="encodekit_brain_tuning.heads:LowRankHead",
        summary="a shared linear map and a low-rank deviation for each participant",
    )
    yield HeadSpec(
        "bottleneck",
        load="encodekit_brain_tuning.heads:BottleneckHead",
        summary="linear, through few dimensions",
    )
    yield HeadSpec(
        "mlp",
        load="encodekit_brain_tuning.heads:MlpHead",
        summary="a linear map with a hidden layer beside it",
    )
    yield HeadSpec(
        "unseen",
        load="encodekit_brain_tuning.heads:UnseenHead",
        summary="a bottleneck with a layer for each participant and one for anybody else",
    )


@hookimpl
def encodekit_strategies() -> Iterator[StrategySpec]:
    """What becomes of several participants' fMRI."""
    yield StrategySpec(
        "joint",
        load="encodekit_brain_tuning.strategies:Joint",
        summary="each step has all who heard its clips",
    )
    yield StrategySpec(
        "sequential",
        load="encodekit_brain_tuning.strategies:Sequential",
        summary="a step for each participant, one after another, as published",
    )
    yield StrategySpec(
        "response_mean",
        load="encodekit_brain_tuning.strategies:ResponseMean",
        summary="the participants' mean response",
    )
    yield StrategySpec(
        "shared_response",
        load="encodekit_brain_tuning.strategies:SharedResponse",
        summary="shared responses of few components (SRM)",
    )


@hookimpl
def encodekit_updates() -> Iterator[UpdateSpec]:
    """What of the backbone learns."""
    yield UpdateSpec(
        "lora",
        load="encodekit_brain_tuning.updates:Lora",
        summary="low-rank adapters beside linear maps",
    )
    yield UpdateSpec(
        "all_weights",
        load="encodekit_brain_tuning.updates:AllWeights",
        summary="every weight of the transformer",
    )
    yield UpdateSpec(
        "top_blocks",
        load="encodekit_brain_tuning.updates:TopBlocks",
        summary="the highest transformer blocks",
    )
    yield UpdateSpec(
        "head_only",
        load="encodekit_brain_tuning.updates:HeadOnly",
        summary="nothing of the backbone",
    )


@hookimpl
def encodekit_commands() -> Iterator[CommandSpec]:
    """Return the commands ``demo`` and ``tune``."""
    yield CommandSpec(
        "demo",
        load="encodekit_brain_tuning.demo._command:demo",
        summary="Tune a small speech model on simulated people, test it on others, write a report.",
    )
    yield CommandSpec(
        "tune",
        load="encodekit_brain_tuning._tune_command:tune",
        summary="Tune a speech model on the fMRI of a study's participants and save it.",
    )
