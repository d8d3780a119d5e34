from dataclasses import FrozenInstanceError

import pytest

from encodekit.plugins import KINDS, CommandSpec, FeatureSpec, LossSpec, PanelSpec, Spec


def test_a_record_keeps_what_it_was_given():
    spec = FeatureSpec("pitch", load="my_lab.pitch:PitchFeatures", summary="f0", extra="praat")
    assert (spec.name, spec.load) == ("pitch", "my_lab.pitch:PitchFeatures")
    assert (spec.summary, spec.extra) == ("f0", "praat")


def test_a_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError, match="name"):
        FeatureSpec("pitch", load="a:b", summary="f0").name = "other"


def test_records_of_other_kinds_differ():
    assert FeatureSpec("a", load="b:c", summary="d") != LossSpec("a", load="b:c", summary="d")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "name must be letters"),
        ("name", "-x", "name must be letters"),
        ("name", 3, "name must be letters"),
        ("load", "my_lab.pitch", "load must be 'module:attribute', got 'my_lab.pitch'"),
        ("load", "my lab:Pitch", "load must be 'module:attribute'"),
        ("summary", " ", "summary must be one line"),
    ],
)
def test_a_field_of_the_wrong_form_is_refused(field, value, message):
    fields = {"name": "pitch", "load": "a:b", "summary": "f0"} | {field: value}
    with pytest.raises(ValueError, match=message):
        FeatureSpec(**fields)


def test_all_mistakes_come_in_one_message():
    with pytest.raises(ValueError, match="CommandSpec '': name .*; load .*; summary"):
        CommandSpec("", load="", summary="")


def test_every_kind_has_a_record_with_a_noun_of_its_own():
    assert all(issubclass(record, Spec) for record in KINDS.values())
    assert len({record.noun for record in KINDS.values()} | {Spec.noun}) == len(KINDS) + 1


def test_panels_say_where_they_stand():
    panel = PanelSpec("pitch", load="my_lab.panel:pitch", summary="scores by pitch", order=15)
    assert panel.order == 15
    assert PanelSpec("pitch", load="my_lab.panel:pitch", summary="scores by pitch").order == 100


def test_a_field_that_there_is_not_is_answered_with_those_there_are():
    message = (
        r"FeatureSpec: unknown field 'sumary': did you mean 'summary'\? .*name, load, summary, e"
    )
    with pytest.raises(TypeError, match=message):
        FeatureSpec("pitch", load="a:b", sumary="f0")
    assert PanelSpec("p", load="a:b", summary="c", order=3).order == 3
