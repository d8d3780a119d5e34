import json
from importlib.metadata import version

import pytest
import typer
from packaging.requirements import Requirement

from encodekit.cli import _doctor
from encodekit.plugins import Plugin, Registry


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def consult(capsys, **options):
    with pytest.raises(typer.Exit) as stopped:
        _doctor.doctor(**options)
    return stopped.value.exit_code, capsys.readouterr().out


def test_a_sound_machine_has_exit_code_0(capsys):
    code, out = consult(capsys)
    assert code == 0
    assert "nothing is wrong" in out


def test_versions_are_those_that_are_installed(capsys):
    _, out = consult(capsys, json=True)
    packages = json.loads(out)["packages"]
    for name in ("encodekit", "numpy", "torch", "peft", "librosa"):
        assert packages[name] == version(name)


def test_devices_and_plugins_are_listed(capsys):
    _, out = consult(capsys, json=True)
    told = json.loads(out)
    assert "cores" in told["devices"]["cpu"]
    assert "threads" in told["devices"]["torch"]
    assert told["plugins"][0]["name"] == "encodekit-builtins"
    assert told["system"]["python"].startswith("3.")


def test_the_cache_is_measured(capsys, cache):
    (cache / "features").mkdir(parents=True)
    (cache / "features" / "one").write_bytes(b"x" * 1000)
    (cache / "two").write_bytes(b"x" * 500)
    _, out = consult(capsys, json=True)
    told = json.loads(out)["cache"]
    assert told["folder"] == str(cache)
    assert (told["files"], told["bytes"], told["writable"]) == (2, 1500, True)
    assert told["free_bytes"] > 0


def test_a_cache_that_cannot_be_written_is_a_problem(capsys, cache):
    cache.write_text("a file where the folder should be")
    code, out = consult(capsys)
    assert code == 1
    assert f"problem: the cache {cache} cannot be written: set ENCODEKIT_CACHE" in out


def test_a_skipped_plugin_is_a_problem(capsys, monkeypatch):
    bad = Plugin("bad", "bad-lab", "2.0", "bad", status="skipped", cause="ImportError: [no] luck")
    monkeypatch.setattr(_doctor, "examined", lambda: Registry([bad]))
    code, out = consult(capsys)
    assert code == 1
    assert "problem: plugin 'bad' (bad-lab 2.0) is skipped: ImportError: [no] luck" in out


def test_a_missing_extra_is_no_problem_but_names_the_pip_line():
    name, found, problem = _doctor._compare("encodekit", Requirement("not-there>=1"), "speech")
    assert (name, problem) == ("not-there", None)
    assert found == "not installed: pip install 'encodekit[speech]'"


def test_a_missing_requirement_is_a_problem():
    _, _, problem = _doctor._compare("encodekit", Requirement("not-there>=1"), None)
    assert problem == (
        "encodekit needs not-there>=1, which is not installed: pip install 'not-there>=1'"
    )


def test_a_version_out_of_range_is_a_problem():
    _, found, problem = _doctor._compare("encodekit", Requirement("numpy>=99"), None)
    assert found == version("numpy")
    assert f"encodekit needs numpy>=99, and {found} is installed" in problem


def test_a_machine_without_torch_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setattr(_doctor, "_version", lambda name: None)
    assert _doctor._devices()["torch"] == "not installed: pip install 'encodekit[speech]'"
