import pytest

from encodekit.plugins import (
    KINDS,
    _make,
    _registry,
    known_names,
    load_entry,
    load_spec,
    make_features,
    make_loss,
    make_regions,
    make_regressor,
    registry,
)

SOURCE = """
@hookimpl
def encodekit_losses():
    yield LossSpec("plain", load="operator:add", summary="a function")
    yield LossSpec("keyed", load="builtins:sorted", summary="a function with a parameter")
    yield LossSpec("made", load="fractions:Fraction", summary="a class")
"""


@pytest.fixture
def losses(site, monkeypatch):
    site.install("my-lab", SOURCE)
    found = site.registry()
    monkeypatch.setattr(_registry, "registry", lambda: found)
    monkeypatch.setattr(_make, "registry", lambda: found)


def test_a_loss_that_is_a_function_is_returned_as_it_is(losses):
    import operator

    assert make_loss("plain") is operator.add


def test_parameters_of_a_function_are_bound(losses):
    assert make_loss("keyed", reverse=True)([1, 2]) == [2, 1]


def test_a_loss_that_is_a_class_is_instantiated(losses):
    assert make_loss("made", numerator=3) == 3


def test_known_names_are_those_of_the_kind(losses):
    assert known_names("losses") == ["keyed", "made", "plain"]
    assert known_names("features") == []


def test_builtins_are_made_by_name():
    from encodekit import MelSpectrogram, RidgeCV, WordRate

    assert isinstance(make_features("word-rate"), WordRate)
    assert isinstance(make_features("Mel", cache=None), MelSpectrogram)
    assert isinstance(make_regressor("ridge", cv=3), RidgeCV)
    assert make_regressor("ridge", cv=3).cv == 3


def test_an_unknown_parameter_is_answered_with_those_of_the_name():
    with pytest.raises(
        TypeError, match=r"make_features: unknown parameter of 'word-rate' 'foo': k"
    ):
        make_features("word-rate", foo=1)
    with pytest.raises(TypeError, match=r"parameter of 'ridge' 'alpha': did you mean 'alphas'"):
        make_regressor("ridge", alpha=1.0)


def test_regions_of_the_plugin_are_made_by_name():
    from encodekit import RegionSelector

    assert isinstance(make_regions("glasser", ["A1"]), RegionSelector)


def test_load_spec_gives_the_class_itself():
    from encodekit import PhoneRate

    assert load_spec("features", "phone-rate") is PhoneRate


@pytest.mark.parametrize("make", [make_features, make_regressor, make_regions, make_loss])
def test_every_maker_answers_an_unknown_name(make):
    with pytest.raises(ValueError, match="unknown .* 'xyzzy'"):
        make("xyzzy")


def test_every_record_of_the_project_loads():
    entries = [entry for kind in KINDS for entry in registry().entries(kind)]
    assert len(entries) >= 12
    for entry in entries:
        assert callable(load_entry(entry)), entry.spec


def test_the_registry_is_discovered_once():
    assert registry() is registry()
