import subprocess
import sys
import warnings

import pytest

from encodekit.cli import _app, main
from encodekit.cli._main import describe
from encodekit.plugins import CommandSpec, Plugin, PluginError, Registry

WIDTH = "100"


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", WIDTH)
    monkeypatch.setenv("NO_COLOR", "1")


def run(capsys, *arguments):
    """Return exit code, stdout and stderr of one command."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    return stopped.value.code or 0, out, err


def greet(name: str, times: int = 1) -> None:
    """Greet somebody, which is a first paragraph that goes on
    on a second line.

    Parameters
    ----------
    name : str
    """
    if name == "nobody":
        raise ValueError("there is nobody: name somebody")
    if name == "bug":
        raise AssertionError("a is not b")
    if name == "hush":
        warnings.warn("somebody sleeps", stacklevel=2)
    sys.stdout.write(f"hello {name} " * times)


@pytest.fixture
def greeting(monkeypatch):
    """A plugin with the commands greet, of this module, and plugins, which is the core's."""
    monkeypatch.setitem(sys.modules, "greeting_plugin", sys.modules[__name__])
    records = tuple(
        ("commands", CommandSpec(name, load=f"greeting_plugin:{of}", summary="Say hello."))
        for name, of in [("greet", "greet"), ("plugins", "greet"), ("late", "not_there")]
    )
    found = Registry([Plugin("hello", "hello-lab", "1", "greeting_plugin", records=records)])
    monkeypatch.setattr(_app, "registry", lambda: found)


def test_help_lists_every_command_with_its_summary(capsys, greeting):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name in ("doctor", "greet", "late", "plugins", "score"):
        assert f"{name} " in out
    assert "Say hello." in out


def test_help_of_the_core_matches_what_the_commands_say():
    import importlib

    for name, load in _app.CORE.items():
        module, _, attribute = load.partition(":")
        function = getattr(importlib.import_module(module), attribute)
        said = getattr(function, "info", None)
        words = said.help if said else function.__doc__.splitlines()[0]
        assert words == _app._SUMMARIES[name]


def test_a_command_of_a_plugin_runs_with_typed_options(capsys, greeting):
    code, out, _ = run(capsys, "greet", "Ada", "--times", "2")
    assert (code, out) == (0, "hello Ada hello Ada ")


def test_help_of_a_command_ends_before_its_parameters_and_joins_lines(capsys, greeting):
    _, out, _ = run(capsys, "greet", "--help")
    assert "which is a first paragraph that goes on on a second line." in out
    assert "Parameters" not in out


def test_a_plugin_cannot_replace_a_command_of_the_core(capsys, greeting):
    code, out, _ = run(capsys, "plugins", "--json")
    assert code == 0
    assert "hello Ada" not in out
    assert '"clashes"' in out


def test_what_goes_wrong_is_one_line_and_exit_code_2(capsys, greeting):
    code, out, err = run(capsys, "greet", "nobody")
    assert (code, out) == (2, "")
    assert err == "error: there is nobody: name somebody\n"


def test_a_bug_names_its_type_and_the_way_to_the_traceback(capsys, greeting):
    code, _, err = run(capsys, "greet", "bug")
    assert code == 2
    assert err == (
        "error: AssertionError: a is not b (run it again with --debug for the traceback)\n"
    )


@pytest.mark.parametrize("arguments", [("--debug", "greet", "bug"), ("greet", "bug", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(greeting, arguments):
    with pytest.raises(AssertionError, match="a is not b"):
        main(arguments)


def test_a_warning_is_one_line(capsys, greeting):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, out, err = run(capsys, "greet", "hush")
    assert (code, out, err) == (0, "hello hush ", "warning: somebody sleeps\n")


def test_an_unknown_command_is_answered_with_close_matches(capsys, greeting):
    code, _, err = run(capsys, "gret")
    assert code == 2
    assert err == "error: unknown command 'gret': did you mean 'greet'?\n"


def test_a_command_of_a_plugin_that_is_not_installed_names_the_pip_line(capsys, greeting):
    code, _, err = run(capsys, "demo")
    assert code == 2
    assert "'demo' comes with encodekit-brain-tuning, which is not installed: pip install" in err


def test_a_broken_record_blames_the_plugin(capsys, greeting):
    code, _, err = run(capsys, "late")
    assert code == 2
    assert "plugin 'hello' (hello-lab 1)" in err


@pytest.mark.parametrize("arguments", [("--nope",), ("greet",), ("greet", "Ada", "--times", "x")])
def test_wrong_usage_exits_with_2_and_no_traceback(capsys, greeting, arguments):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "Usage" in err
    assert "Traceback" not in err


def test_no_command_shows_the_help(capsys, greeting):
    code, out, err = run(capsys)
    assert code == 2
    assert "Commands" in out + err


def test_the_version_is_that_of_the_package(capsys):
    import encodekit

    code, out, _ = run(capsys, "--version")
    assert (code, out) == (0, f"encodekit {encodekit.__version__}\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("no 'x': use 'y'"), "no 'x': use 'y'"),
        (PluginError("it broke"), "it broke"),
        (ValueError(), "ValueError (run it again with --debug for the traceback)"),
    ],
)
def test_errors_are_described_in_words(error, said):
    assert describe(error) == said


OUR_HELP = "import encodekit.cli; show = encodekit.cli.main"
BARE_HELP = """
import typer
show = typer.Typer()
show.command("first")(lambda: None)
show.command("second")(lambda: None)
"""
MEASURE_HELP = """
{program}
import resource, sys
try:
    show(["--help"])
except SystemExit as stopped:
    assert not stopped.code
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = {{"torch", "transformers", "nilearn", "librosa", "matplotlib", "xarray", "pandas"}}
sys.stderr.write(f"{{used.ru_utime + used.ru_stime}} {{sorted(heavy & set(sys.modules))}}")
"""


def test_help_loads_nothing_heavy_and_costs_little_more_than_typer_itself():
    seconds = {OUR_HELP: [], BARE_HELP: []}
    for program in [OUR_HELP, BARE_HELP] * 4:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE_HELP.format(program=program)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        spent, _, loaded = done.stderr.partition(" ")
        assert loaded == "[]"
        seconds[program].append(float(spent))
    assert min(seconds[OUR_HELP]) < 2.5 * min(seconds[BARE_HELP]), seconds


def test_the_installed_program_runs_without_the_project_as_folder(tmp_path):
    from pathlib import Path

    program = Path(sys.executable).with_name("encodekit")
    done = subprocess.run(
        [program, "plugins"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "encodekit-builtins" in done.stdout
