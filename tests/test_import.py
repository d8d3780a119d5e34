"""What ``import encodekit`` costs and gives."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import encodekit

# The design's public names of this version; a name may be added, a listed one keeps its meaning.
PUBLIC = [
    "Stimulus",
    "Study",
    "load_study",
    "simulate_study",
    "simulate_responses",
    "Follows",
    "join_stimuli",
    "validate",
    "FeatureExtractor",
    "SpeechFeatures",
    "TextFeatures",
    "MelSpectrogram",
    "WordRate",
    "WordValues",
    "WordVectors",
    "ArrayFeatures",
    "PhoneRate",
    "Articulation",
    "Pitch",
    "Streamed",
    "Context",
    "Lanczos",
    "Delayer",
    "CanonicalHRF",
    "RunScaler",
    "ConfoundRemover",
    "FeatureSpaces",
    "FeatureTransformer",
    "RidgeCV",
    "BandSearch",
    "BandedRidgeCV",
    "StackedRidge",
    "LayerSelector",
    "correlation",
    "r2",
    "noise_ceiling",
    "normalise",
    "permutation_test",
    "wrong_stimulus_test",
    "learning_curve",
    "data_to_reach",
    "generalization_grid",
    "group_mean",
    "compare_models",
    "plan",
    "variance_partition",
    "cross_val_predict",
    "correlation_scorer",
    "r2_scorer",
    "huth_ridge",
    "RandomChunks",
    "TrimmedKFold",
    "Atlas",
    "RegionSelector",
    "by_region",
    "make_features",
    "make_regressor",
    "make_regions",
    "make_loss",
    "FeatureSpec",
    "RegressorSpec",
    "LossSpec",
    "HeadSpec",
    "StrategySpec",
    "UpdateSpec",
    "PanelSpec",
    "RegionSpec",
    "MetricSpec",
    "StudySpec",
    "CommandSpec",
    "BackboneSpec",
    "hookimpl",
    "FittedOnWarning",
    "save",
    "load",
    "report",
    "Result",
    "evaluate",
    "audit",
    "methods",
]


def test_dir_lists_the_public_names_alone():
    assert {name for name in dir(encodekit) if not name.startswith("__")} == set(encodekit.__all__)


MEASURE = """
import resource, sys
before = resource.getrusage(resource.RUSAGE_SELF)
import {module}
after = resource.getrusage(resource.RUSAGE_SELF)
spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
heavy = {{"torch", "transformers", "nilearn", "librosa", "matplotlib", "peft", "numba"}}
print(spent, *sorted(heavy & set(sys.modules)))
"""


def measure(module):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(module=module)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    spent, *heavy = done.stdout.split()
    return float(spent), heavy


@pytest.mark.parametrize("module", ["encodekit", "encodekit.plugins"])
def test_import_takes_less_than_half_a_second_and_nothing_heavy(module):
    measured = [measure(module) for _ in range(3)]
    assert measured[0][1] == []
    assert min(spent for spent, _ in measured) < 0.5


def test_no_room_imports_anything_heavy():
    rooms = (
        "data",
        "features",
        "linear",
        "scoring",
        "regions",
        "simulation",
        "reports",
        "testing",
        "cli",
    )
    assert measure(", ".join(f"encodekit.{room}" for room in rooms))[1] == []


def test_plugins_are_discovered_without_anything_heavy():
    assert measure("encodekit.plugins; encodekit.plugins.registry()")[1] == []


def test_the_public_names_are_those_of_the_design():
    assert sorted(PUBLIC) == sorted(encodekit.__all__)


def test_type_checkers_read_the_same_names_from_the_same_rooms():
    stub = Path(encodekit.__file__).with_name("__init__.pyi").read_text(encoding="utf-8")
    imported = re.findall(r"^from encodekit\.(\w+) import (\w+) as \2$", stub, re.MULTILINE)
    assert {name: room for room, name in imported} == encodekit._ROOM


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_says_what_it_is(name):
    value = getattr(encodekit, name)
    assert name in dir(encodekit)
    assert value.__doc__


def test_an_unknown_name_is_answered_with_close_matches():
    with pytest.raises(AttributeError, match="unknown name 'RigdeCV': did you mean 'RidgeCV'"):
        encodekit.RigdeCV  # noqa: B018
