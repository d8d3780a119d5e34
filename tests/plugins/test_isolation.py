"""Whatever one plugin does, the registry of the others stays as it was."""

import re
import subprocess
import sys

import pytest

from encodekit.plugins import KINDS, PluginWarning, discover
from encodekit.plugins._discovery import installed_plugins

GOOD = """
@hookimpl
def encodekit_features():
    yield FeatureSpec("pitch", load="fractions:Fraction", summary="f0 by pYIN")
"""
TIMBRE = GOOD.replace("pitch", "timbre")
BAD = {  # what a plugin does: its source, how it states its API, what the warning says
    "raises on import": ("1 / 0", None, "ZeroDivisionError: division by zero"),
    "exits on import": ("import sys; sys.exit(3)", None, "SystemExit: 3"),
    "raises what is no Exception": (
        "class Odd(BaseException): pass\nraise Odd('gone')", None, "Odd: gone"
    ),
    "lacks a dependency": ("import praat_is_not_there", None, "No module named 'praat_is_not"),
    "lacks one within a hook": (
        GOOD.replace("    yield", "    import praat_is_not_there\n    yield"),
        None, "ModuleNotFoundError",
    ),
    "raises at registration": (
        "class Odd:\n    def __call__(self): pass\n"
        "    def __getattr__(self, name): raise RuntimeError('no ' + name)\n"
        "encodekit_helper = Odd()\n" + TIMBRE,
        None, "RuntimeError: no encodekit_impl",
    ),
    "raises in one hook": (
        TIMBRE + "@hookimpl\ndef encodekit_losses():\n    raise OSError('no licence')\n",
        None, "OSError: no licence",
    ),
    "raises half way through a hook": (TIMBRE + "    raise OSError('gone')", None, "OSError: gone"),
    "cannot be parsed": ("def broken(:", None, "SyntaxError: invalid syntax"),
    "returns a text": (
        "@hookimpl\ndef encodekit_features():\n    return 'pitch'", None,
        "encodekit_features must yield FeatureSpec records or return a list of them, got 'pitch'",
    ),
    "returns a number": (
        "@hookimpl\ndef encodekit_features():\n    return 3", None, "return a list of them, got 3"
    ),
    "returns a coroutine": (
        "@hookimpl\nasync def encodekit_features():\n    return []", None, "list of them, got <cor"
    ),
    "yields a class": (
        "@hookimpl\ndef encodekit_features():\n    yield FeatureSpec", None, "must give FeatureSpec"
    ),
    "yields another kind": (
        TIMBRE.replace("FeatureSpec(", "LossSpec("), None, r"must give FeatureSpec records, got Los"
    ),
    "yields a malformed record": (
        TIMBRE.replace("fractions:Fraction", "fractions"), None, "load must be 'module:attribute'"
    ),
    "misspells a hook": (
        TIMBRE.replace("encodekit_features", "encodekit_featurs"), None,
        "unknown hook 'encodekit_featurs': did you mean 'encodekit_features'",
    ),
    "takes an unknown argument": (
        TIMBRE.replace("features()", "features(study)"), None, "study"
    ),
    "forgets the mark": (TIMBRE.replace("@hookimpl", ""), None, "put @hookimpl above it"),
    "states no API": (TIMBRE, "", "does not state its API: add encodekit_api = 1"),
    "states another API": (TIMBRE, "encodekit_api = 2", "upgrade whichever is older"),
    "states an API that is no number": (TIMBRE, "encodekit_api = 'one'", "encodekit_api = 'one'"),
}  # fmt: skip


def records(registry):
    return {kind: [entry.spec for entry in registry.entries(kind)] for kind in KINDS}


@pytest.mark.parametrize("what", BAD)
def test_a_plugin_that(site, what):
    source, api, cause = BAD[what]
    site.install("good-lab", GOOD)
    before = records(site.registry())
    site.install("bad-lab", source, **({} if api is None else {"api": api}))
    message = re.escape("plugin 'bad-lab' (bad-lab 1.2) is skipped: ") + ".*" + re.escape(cause)
    with pytest.warns(PluginWarning, match=message) as caught:
        after = site.registry()
    assert len(caught) == 1
    assert records(after) == before
    assert after.clashes() == []


@pytest.mark.parametrize("points", ["bad-lab = bad_lab:plugin", "bad-lab = bad lab"])
def test_an_entry_point_that_names_no_module_is_refused(site, points):
    site.install("bad-lab", TIMBRE, points=points)
    with pytest.warns(PluginWarning, match=r"its entry point is 'bad.lab.*expected a module"):
        assert records(site.registry())["features"] == []


@pytest.mark.parametrize("points", ["bad-lab", "bad-lab bad_lab"])
def test_entry_points_that_cannot_be_read_stop_nobody_else(site, points):
    before = {plugin.name for plugin in discover()}
    site.install("bad-lab", TIMBRE, points=points)
    with pytest.warns(PluginWarning, match=r"'bad-lab' \(bad-lab 1\.2\).*cannot be read") as caught:
        plugins = discover()
    assert len(caught) == 1
    assert {plugin.name for plugin in plugins if plugin.status == "loaded"} == before
    assert {plugin.name for plugin in installed_plugins()} == before | {"bad-lab"}


def test_metadata_without_a_name_or_version_is_no_obstacle(site):
    site.install("good-lab", GOOD)
    (site.folder / "good_lab-1.2.dist-info" / "METADATA").unlink()
    (plugin,) = site.discover()
    assert (plugin.status, plugin.version) == ("loaded", "?")


def test_a_key_press_still_stops_everything(site):
    site.install("slow-lab", "import signal\nsignal.raise_signal(signal.SIGINT)")
    with pytest.raises(KeyboardInterrupt) as stopped:
        site.discover()
    assert "plugin 'slow-lab' (slow-lab 1.2) was being imported" in stopped.value.__notes__[0]


def test_a_record_that_cannot_be_loaded_fails_alone_and_only_when_it_is_used(site):
    site.install("bad-lab", TIMBRE.replace("fractions:Fraction", "bad_lab_code:Timbre"))
    (site.folder / "bad_lab_code.py").write_text("1 / 0")
    site.install("good-lab", GOOD)
    found = site.registry()
    assert found.load("features", "pitch")
    with pytest.raises(ZeroDivisionError, match="division"):
        found.load("features", "timbre")


CLASHING = """
import sys, warnings
from importlib.metadata import distributions
from encodekit.plugins import Registry, discover
warnings.simplefilter("ignore")
for order in (sys.argv[1:], sys.argv[:0:-1]):
    sys.path[:0] = order
    points = [point for dist in distributions(path=order) for point in dist.entry_points]
    found = Registry(discover(points, off=()))
    print(found.clashes(), [entry.spec.name for entry in found.entries("features")],
          [(plugin.title, plugin.cause) for plugin in found.plugins])
"""


def test_a_clash_ends_the_same_whatever_the_hash_seed_and_the_order_of_the_path(
    tmp_path, site_in, monkeypatch
):
    one, two = site_in(tmp_path / "one"), site_in(tmp_path / "two")
    one.install("a-lab", GOOD + '    yield FeatureSpec("My-Rate", load="a:b", summary="c")\n')
    two.install("b-lab", TIMBRE + '    yield FeatureSpec("my_rate", load="a:b", summary="c")\n')
    one.install("c-lab", GOOD, name="lab")
    two.install("d-lab", GOOD, name="LAB")
    told = set()
    for seed in range(20):
        monkeypatch.setenv("PYTHONHASHSEED", str(seed))
        done = subprocess.run(
            [sys.executable, "-c", CLASHING, str(one.folder), str(two.folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        told |= set(done.stdout.splitlines())
    assert len(told) == 1
    (line,) = told
    assert "'My-Rate' by plugin 'a-lab' (a-lab 1.2) and 'my_rate' by plugin 'b-lab'" in line
    assert "['pitch', 'timbre']" in line
    assert "'LAB' (d-lab 1.2) and 'lab' (c-lab 1.2)" in line
