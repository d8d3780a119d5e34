"""What encodekit itself registers, through the same hooks as anybody's plugin."""

from collections.abc import Iterator

from encodekit.plugins import (
    FeatureSpec,
    MetricSpec,
    PanelSpec,
    RegionSpec,
    RegressorSpec,
    StudySpec,
    hookimpl,
)

encodekit_api = 1


@hookimpl
def encodekit_features() -> Iterator[FeatureSpec]:
    """Speech models, and the low-level features that they must beat."""
    yield FeatureSpec(
        "speech",
        load="encodekit.features:SpeechFeatures",
        summary="layers of a speech model (wav2vec2, HuBERT)",
        extra="speech",
    )
    yield FeatureSpec(
        "mel",
        load="encodekit.features:MelSpectrogram",
        summary="mel spectrogram of the audio",
        extra="acoustic",
    )
    yield FeatureSpec("word-rate", load="encodekit.features:WordRate", summary="words per TR")
    yield FeatureSpec(
        "word-values",
        load="encodekit.features:WordValues",
        summary="columns of the words, such as surprisal",
    )
    yield FeatureSpec(
        "word-vectors",
        load="encodekit.features:WordVectors",
        summary="static vectors of the words, such as GloVe, fastText or word2vec",
    )
    yield FeatureSpec(
        "array",
        load="encodekit.features:ArrayFeatures",
        summary="precomputed features, in arrays or files",
    )
    yield FeatureSpec("phone-rate", load="encodekit.features:PhoneRate", summary="phones per TR")
    yield FeatureSpec(
        "text",
        load="encodekit.features:TextFeatures",
        summary="layers and surprisal of a causal language model",
        extra="speech",
    )
    yield FeatureSpec(
        "articulation",
        load="encodekit.features:Articulation",
        summary="how each phone is made: place, manner, voice, height",
    )
    yield FeatureSpec(
        "pitch",
        load="encodekit.features:Pitch",
        summary="fundamental frequency of the voice by pYIN",
        extra="acoustic",
    )


@hookimpl
def encodekit_regressors() -> Iterator[RegressorSpec]:
    """Ridge regression, one penalty per target, or one per target and feature space."""
    yield RegressorSpec(
        "ridge",
        load="encodekit.linear:RidgeCV",
        summary="ridge regression, the penalty of each target chosen by cross-validation",
    )
    yield RegressorSpec(
        "banded-ridge",
        load="encodekit.linear:BandedRidgeCV",
        summary="ridge regression with a penalty for each feature space",
    )
    yield RegressorSpec(
        "stacked-ridge",
        load="encodekit.linear:StackedRidge",
        summary="a ridge for each feature space, their predictions averaged for each target",
    )


@hookimpl
def encodekit_regions() -> Iterator[RegionSpec]:
    """The selector by names that responses carry, and atlases that nilearn downloads."""
    for name, summary in (
        ("schaefer", "Schaefer 2018, 100 to 1000 areas in 7 or 17 networks"),
        ("destrieux", "Destrieux 2010, gyri and sulci"),
        ("difumo", "DiFuMo, each vertex in its strongest mode"),
    ):
        yield RegionSpec(
            name, load=f"encodekit.regions._fetched:{name}", summary=summary, extra="report"
        )
    yield RegionSpec(
        "named",
        load="encodekit.regions:RegionSelector",
        summary="the values of the coordinate region, or the areas of an atlas",
    )


@hookimpl
def encodekit_metrics() -> Iterator[MetricSpec]:
    """Correlation and explained variance."""
    yield MetricSpec(
        "correlation",
        load="encodekit.scoring:correlation",
        summary="Pearson's r within each run, averaged over runs",
    )
    yield MetricSpec(
        "r2", load="encodekit.scoring:r2", summary="explained variance against the training mean"
    )


@hookimpl
def encodekit_studies() -> Iterator[StudySpec]:
    """Return the study that needs no download."""
    yield StudySpec(
        "simulated",
        load="encodekit.simulation:simulate_study",
        summary="spoken stories and simulated fMRI of several participants",
        extra="simulate",
    )


@hookimpl
def encodekit_panels() -> Iterator[PanelSpec]:
    """The sections of the report of any result."""
    for order, (name, summary) in enumerate(
        (
            ("scores", "every participant under every model"),
            ("maps", "the whole cortex, to look at and to turn"),
            ("difference", "each model minus the first one"),
            ("regions", "scores by region"),
            ("layers", "scores along the layers"),
            ("curve", "how much data reaches the first model's score"),
            ("tests", "what is above chance"),
            ("methods", "the paragraph of a methods section"),
            ("audit", "every decision, and the data that made it"),
        ),
        start=1,
    ):
        yield PanelSpec(
            name,
            load=f"encodekit.reports._panels:{name}_panel",
            summary=summary,
            extra="report",
            order=10 * order,
        )
