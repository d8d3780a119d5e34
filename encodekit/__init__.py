"""encodekit: how well do models of speech and language predict the brain?

Every public name is imported when it is first used, so that ``import encodekit`` stays light;
``__init__.pyi`` says the same to type checkers and editors.
"""

from importlib import import_module
from typing import Any

from encodekit.core import __version__ as __version__

_HOME = {
    "data": ("Stimulus", "Study", "validate", "join_stimuli", "FittedOnWarning"),
    "saving": ("load_study", "save", "load"),
    "features": (
        "FeatureExtractor", "SpeechFeatures", "TextFeatures", "MelSpectrogram", "WordRate",
        "WordValues", "WordVectors", "ArrayFeatures", "PhoneRate", "Articulation", "Pitch",
        "Streamed", "Context",
        "Lanczos", "Delayer", "CanonicalHRF", "RunScaler", "ConfoundRemover", "FeatureSpaces",
        "FeatureTransformer",
    ),
    "linear": (
        "RidgeCV", "BandedRidgeCV", "BandSearch", "StackedRidge", "LayerSelector",
        "cross_val_predict",
        "variance_partition", "learning_curve", "correlation_scorer", "r2_scorer",
        "huth_ridge", "RandomChunks", "TrimmedKFold",
    ),
    "scoring": (
        "correlation", "r2", "noise_ceiling", "normalise", "permutation_test",
        "wrong_stimulus_test",
        "compare_models", "plan", "data_to_reach", "generalization_grid", "group_mean",
    ),
    "regions": ("Atlas", "RegionSelector", "by_region"),
    "simulation": ("simulate_study", "simulate_responses", "Follows"),
    "reports": ("report", "Result", "evaluate", "audit", "methods"),
    "plugins": (
        "make_features", "make_regressor", "make_regions", "make_loss", "hookimpl",
        "FeatureSpec", "RegressorSpec", "LossSpec", "HeadSpec", "StrategySpec", "UpdateSpec",
        "RegionSpec", "MetricSpec", "StudySpec",
        "CommandSpec", "BackboneSpec", "PanelSpec",
    ),
}  # fmt: skip
_ROOM = {name: room for room, names in _HOME.items() for name in names}
__all__ = sorted(_ROOM)  # noqa: PLE0605 (ruff reads only literal lists)


def __getattr__(name: str) -> Any:
    if name not in _ROOM:
        from encodekit.core import unknown_name

        raise AttributeError(f"encodekit: {unknown_name('name', name, __all__)}")
    value = getattr(import_module(f"encodekit.{_ROOM[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*special, *__all__})
