"""The hooks that a plugin may implement; each returns or yields records of its kind."""

from collections.abc import Iterable

import pluggy

from encodekit.plugins._records import (
    BackboneSpec,
    CommandSpec,
    FeatureSpec,
    HeadSpec,
    LossSpec,
    MetricSpec,
    PanelSpec,
    RegionSpec,
    RegressorSpec,
    StrategySpec,
    StudySpec,
    UpdateSpec,
)

PROJECT = "encodekit"
API = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """Every hook; none takes an argument, and none may import what its records load."""

    @hookspec
    def encodekit_features(self) -> Iterable[FeatureSpec]:  # type: ignore[empty-body]
        """Feature extractors, for `encodekit.make_features`."""

    @hookspec
    def encodekit_regressors(self) -> Iterable[RegressorSpec]:  # type: ignore[empty-body]
        """Regressors, for `encodekit.make_regressor`."""

    @hookspec
    def encodekit_losses(self) -> Iterable[LossSpec]:  # type: ignore[empty-body]
        """Losses for tuning, for `encodekit.make_loss`."""

    @hookspec
    def encodekit_heads(self) -> Iterable[HeadSpec]:  # type: ignore[empty-body]
        """Heads for tuning, for ``head=`` of `encodekit_brain_tuning.BrainTunedFeatures`."""

    @hookspec
    def encodekit_strategies(self) -> Iterable[StrategySpec]:  # type: ignore[empty-body]
        """What becomes of several participants' fMRI in tuning, for its ``participants=``."""

    @hookspec
    def encodekit_updates(self) -> Iterable[UpdateSpec]:  # type: ignore[empty-body]
        """What of a model tuning changes, for its ``update=``."""

    @hookspec
    def encodekit_regions(self) -> Iterable[RegionSpec]:  # type: ignore[empty-body]
        """Region selectors and atlases, for `encodekit.make_regions`."""

    @hookspec
    def encodekit_metrics(self) -> Iterable[MetricSpec]:  # type: ignore[empty-body]
        """Scores of predictions, for the ``score`` of an experiment file."""

    @hookspec
    def encodekit_studies(self) -> Iterable[StudySpec]:  # type: ignore[empty-body]
        """Studies, for `encodekit.load_study`."""

    @hookspec
    def encodekit_commands(self) -> Iterable[CommandSpec]:  # type: ignore[empty-body]
        """Commands of the ``encodekit`` program."""

    @hookspec
    def encodekit_backbones(self) -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
        """Speech models by a short name, for `encodekit.SpeechFeatures`."""

    @hookspec
    def encodekit_panels(self) -> Iterable[PanelSpec]:  # type: ignore[empty-body]
        """Sections that the report of any result gains, for `encodekit.report`."""
