import inspect

from encodekit.plugins import API, KINDS, discover, hookimpl
from encodekit.plugins._hooks import PROJECT, Hooks, hookspec
from encodekit.plugins._known import ELSEWHERE


def hooks():
    return {name: value for name, value in vars(Hooks).items() if name.startswith(PROJECT)}


def test_there_is_one_hook_for_each_kind_and_at_most_twelve():
    assert set(hooks()) == {f"encodekit_{kind}" for kind in KINDS}
    assert len(hooks()) <= 12


def test_hooks_take_no_argument_and_say_what_they_are_for():
    for hook in hooks().values():
        assert list(inspect.signature(hook).parameters) == ["self"]
        assert hook.__doc__


def test_marks_are_those_of_encodekit():
    assert hookimpl.project_name == hookspec.project_name == "encodekit"
    assert API == 1


def test_names_brought_elsewhere_are_of_known_kinds():
    assert set(ELSEWHERE) <= set(KINDS)


SISTERS = ("encodekit-brain-tuning", "encodekit-adapters")


def test_names_brought_elsewhere_are_those_that_the_sister_distributions_register():
    registered = {
        (kind, record.name, plugin.distribution)
        for plugin in discover(wanted=",".join(SISTERS), off=())
        if plugin.distribution in SISTERS
        for kind, record in plugin.records
    }
    stated = {
        (kind, name, distribution)
        for kind, names in ELSEWHERE.items()
        for name, distribution in names.items()
    }
    assert {distribution for *_, distribution in registered} == set(SISTERS)
    assert stated == registered
