"""Settings by name: what an annotation says, and other plugins that are broken."""

import types
from typing import Annotated, Optional

from sklearn.base import BaseEstimator

from encodekit import HeadSpec, hookimpl
from encodekit.core import Settings
from encodekit.plugins import HasSettings, name_of, settings_in, settings_of


class Part(Settings):
    rank: int = 2


class Other(Settings):
    registered_as = "heads"


Part.choices = {"part": Part}


class Estimator(HasSettings, BaseEstimator):
    def __init__(self, part: Part | str = "part", lost: "Nowhere | None" = None):  # noqa: F821
        self.part, self.lost = part, lost


def test_only_a_union_of_settings_takes_settings():
    assert settings_in(Part | str) is settings_in(Optional[Part]) is Part  # noqa: UP045
    assert settings_in(Annotated[Part | None, "told"]) is Part
    for hint in (list[Part], dict[str, Part], type[Part], tuple[Part, ...], None):
        assert settings_in(hint) is None


def test_an_annotation_that_cannot_be_resolved_hides_no_other():
    assert settings_of(Estimator) == {"part": Part}


def test_an_unknown_name_can_be_replaced():
    assert Estimator("prat").set_params(part="part").part == "part"
    assert Estimator("prat").set_params(part=Part(), part__rank=3).part == Part(3)


def test_a_broken_plugin_does_not_stop_the_names_of_others(encodekit_plugins):
    module = types.ModuleType("broken")
    module.encodekit_api = 1

    @hookimpl
    def encodekit_heads():
        yield HeadSpec("broken", load="no_such_module:Broken", summary="broken")

    module.encodekit_heads = encodekit_heads
    with encodekit_plugins.add(module):
        assert name_of(Other, Part) is None
