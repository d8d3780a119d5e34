import re
import subprocess
import sys

import pytest

from encodekit.plugins import PluginWarning


def by_name(plugins):
    return {plugin.name: plugin for plugin in plugins}


def skipped(site, message):
    """Discover with one warning that matches, and return the one plugin's cause."""
    with pytest.warns(PluginWarning, match=message) as caught:
        (plugin,) = site.discover()
    assert len(caught) == 1
    assert plugin.status == "skipped"
    assert plugin.records == ()
    return plugin.cause


def test_a_plugin_is_found_by_its_entry_point(site, pitch):
    site.install("my-lab", pitch)
    (plugin,) = site.discover()
    assert (plugin.name, plugin.distribution, plugin.version) == ("my-lab", "my-lab", "1.2")
    assert plugin.status == "loaded"
    assert [(kind, spec.name) for kind, spec in plugin.records] == [("features", "pitch")]


def test_a_hook_may_return_a_list_or_nothing(site):
    site.install(
        "my-lab",
        """
        @hookimpl
        def encodekit_losses():
            return [LossSpec("huber", load="a:b", summary="c")]
        @hookimpl
        def encodekit_features():
            return None
        """,
    )
    (plugin,) = site.discover()
    assert [spec.name for _, spec in plugin.records] == ["huber"]


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("raise SystemExit('gone')", "SystemExit: gone"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def broken(:", "SyntaxError: invalid syntax"),
    ],
)
def test_a_plugin_that_fails_on_import_is_skipped_with_one_warning(site, source, cause):
    site.install("my-lab", source)
    message = re.escape(f"plugin 'my-lab' (my-lab 1.2) is skipped: {cause}")
    assert skipped(site, message).startswith(cause)


def test_the_others_work_when_one_fails(site, pitch):
    site.install("broken", "1 / 0")
    site.install("my-lab", pitch)
    with pytest.warns(PluginWarning, match="'broken'"):
        plugins = by_name(site.discover())
    assert plugins["broken"].status == "skipped"
    assert plugins["my-lab"].status == "loaded"


def test_a_plugin_that_does_not_state_its_api_is_skipped(site, pitch):
    site.install("my-lab", pitch, api="")
    skipped(site, r"my_lab does not state its API: add encodekit_api = 1")


def test_a_plugin_of_another_api_is_skipped(site, pitch):
    site.install("my-lab", pitch, api="encodekit_api = 2")
    skipped(site, r"states encodekit_api = 2, this encodekit has 1: upgrade whichever is older")


def test_a_misspelt_hook_is_found(site, pitch):
    site.install("my-lab", pitch.replace("encodekit_features", "encodekit_featurs"))
    skipped(site, "unknown hook 'encodekit_featurs'")


def test_a_hook_with_an_unknown_argument_is_found(site, pitch):
    site.install("my-lab", pitch.replace("features()", "features(study)"))
    skipped(site, "study")


def test_a_hook_without_its_mark_is_found(site, pitch):
    site.install("my-lab", pitch.replace("@hookimpl", ""))
    skipped(site, r"my_lab\.encodekit_features is not marked: put @hookimpl above it")


def test_a_record_of_another_kind_is_refused(site, pitch):
    site.install("my-lab", pitch.replace("FeatureSpec(", "LossSpec("))
    skipped(site, r"encodekit_features must give FeatureSpec records, got LossSpec\(")


def test_a_hook_that_fails_half_way_gives_nothing(site, pitch):
    site.install("my-lab", pitch + "    raise RuntimeError('no licence')\n")
    skipped(site, "RuntimeError: no licence")


def test_a_broken_plugin_does_not_spoil_the_hook_of_another(site, pitch):
    site.install("a-lab", pitch + "    1 / 0\n")
    site.install("b-lab", pitch.replace("pitch", "timbre"))
    with pytest.warns(PluginWarning, match="'a-lab'"):
        plugins = by_name(site.discover())
    assert [spec.name for _, spec in plugins["b-lab"].records] == ["timbre"]


def test_two_plugins_of_one_name_are_both_skipped(site, pitch):
    site.install("a-lab", pitch, name="lab")
    site.install("b-lab", pitch, name="lab")
    with pytest.warns(PluginWarning, match="two distributions have a plugin named 'lab'") as caught:
        plugins = site.discover()
    assert len(caught) == 2
    assert {plugin.status for plugin in plugins} == {"skipped"}


def test_an_empty_list_disables_every_plugin(site, pitch):
    site.install("my-lab", pitch)
    (plugin,) = site.discover("")
    assert (plugin.status, plugin.records) == ("disabled", ())
    assert "my_lab" not in sys.modules


@pytest.mark.parametrize("wanted", ["a-lab", "A_Lab", " a-lab , c-lab"])
def test_a_list_means_only_those(site, pitch, wanted):
    for name in ("a", "b", "c"):
        site.install(f"{name}-lab", pitch.replace("pitch", f"{name}pitch"))
    plugins = by_name(site.discover(wanted))
    assert plugins["a-lab"].status == "loaded"
    assert plugins["b-lab"].status == "disabled"


def test_a_listed_plugin_that_is_not_there_is_named(site, pitch):
    site.install("my-lab", pitch)
    with pytest.warns(PluginWarning, match="ENCODEKIT_PLUGINS names unknown plugin 'my-lap': did"):
        site.discover("my-lap")


def test_the_variable_of_the_environment_is_heeded(site, pitch, monkeypatch):
    site.install("my-lab", pitch)
    monkeypatch.setenv("ENCODEKIT_PLUGINS", "")
    assert site.discover()[0].status == "disabled"


def ask(command, monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", command], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_builtins_are_there_even_if_every_plugin_is_disabled(monkeypatch):
    names = ask(
        "from encodekit.plugins import known_names; print(*known_names('features'))",
        monkeypatch, ENCODEKIT_PLUGINS="",
    )  # fmt: skip
    assert names == ["mel", "phone-rate", "speech", "word-rate"]


def test_an_installed_plugin_is_found_without_importing_what_it_names(site, monkeypatch):
    site.install(
        "my-lab",
        """
        @hookimpl
        def encodekit_features():
            yield FeatureSpec("pitch", load="antigravity:fly", summary="f0")
        """,
    )
    names = ask(
        "import sys; from encodekit.plugins import known_names; "
        "print(*known_names('features'), 'antigravity' in sys.modules)",
        monkeypatch, PYTHONPATH=str(site.folder),
    )  # fmt: skip
    assert "pitch" in names
    assert names[-1] == "False"
