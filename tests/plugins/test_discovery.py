import subprocess
import sys

import pytest

from encodekit.plugins import PluginWarning


def by_name(plugins):
    return {plugin.name: plugin for plugin in plugins}


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


def test_two_plugins_of_one_name_are_both_skipped(site, pitch):
    site.install("a-lab", pitch, name="lab")
    site.install("b-lab", pitch, name="lab")
    with pytest.warns(
        PluginWarning, match=r"one name, 'lab' \(a-lab 1\.2\) and 'lab' \(b-lab 1\.2\): uninst"
    ) as caught:
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
    assert names == [
        "array", "articulation", "mel", "phone-rate", "pitch", "speech", "text", "word-rate",
        "word-values", "word-vectors",
    ]  # fmt: skip


def test_an_installed_plugin_is_found_without_importing_what_it_names(site, monkeypatch):
    site.install(
        "my-lab",
        """
        @hookimpl
        def encodekit_features():
            yield FeatureSpec("levitation", load="antigravity:fly", summary="f0")
        """,
    )
    names = ask(
        "import sys; from encodekit.plugins import known_names; "
        "print(*known_names('features'), 'antigravity' in sys.modules)",
        monkeypatch, PYTHONPATH=str(site.folder),
    )  # fmt: skip
    assert "levitation" in names
    assert names[-1] == "False"


TIMED = """
import sys, time
from encodekit.plugins import Registry, discover
began = time.process_time()
found = Registry(discover(off=()))
heavy = {"torch", "xarray", "pandas", "sklearn", "numpy", "librosa", "matplotlib", "pydantic"}
print(time.process_time() - began, len(found.plugins), *sorted(heavy & set(sys.modules)))
"""


def test_discovery_takes_less_than_10_ms_a_plugin_and_imports_nothing_heavy(
    tmp_path, site_in, monkeypatch
):
    monkeypatch.delenv("ENCODEKIT_PLUGINS", raising=False)
    site, spent, installed = site_in(tmp_path / "site"), {}, 0
    monkeypatch.setenv("PYTHONPATH", str(site.folder))
    for n_plugins in (0, 10, 100):
        while installed < n_plugins:
            installed += 1
            site.install(
                f"lab-{installed}",
                f"@hookimpl\ndef encodekit_features():\n"
                f"    yield FeatureSpec('f{installed}', load='a:b', summary='c')\n",
            )
        told = [ask(TIMED, monkeypatch) for _ in range(3)]
        assert all(len(line) == 2 for line in told)
        spent[n_plugins] = min(float(line[0]) for line in told)
        own = int(told[0][1]) - n_plugins
    assert own >= 2
    for n_plugins, seconds in spent.items():
        assert seconds / (own + n_plugins) < 0.010, spent
