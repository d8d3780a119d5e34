"""The program and its commands, each imported when it is run: ``--help`` needs none of them."""

import inspect
import re
from collections.abc import Callable
from itertools import takewhile
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

from encodekit.core import printable
from encodekit.plugins import CommandSpec, load_entry, registry

CORE = {
    "audit": "encodekit.cli._audit:audit",
    "doctor": "encodekit.cli._doctor:doctor",
    "plugins": "encodekit.cli._plugins:plugins",
    "run": "encodekit.cli._run:run",
    "schema": "encodekit.cli._run:schema",
    "score": "encodekit.cli._score:score",
}
_SUMMARIES = {
    "audit": "Show every decision behind a saved result, in red where test data made it.",
    "doctor": "Show versions, devices, the cache and the plugins, and what is wrong with them.",
    "plugins": (
        "Show every plugin, what it brings, and why one was skipped; switch, check or write one."
    ),
    "run": "Run an experiment file: features, regression and scores, into a folder of results.",
    "schema": "Print the JSON schema of experiment files, for editors to check and complete them.",
    "score": "Score a saved model on a study, by participant and region.",
}
_SECTION = re.compile(r"\w.*\n---")


class Commands(TyperGroup):
    """The commands by name; what they load is imported when one of them is run."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return every name, in order of the alphabet."""
        return sorted({*CORE, *(spec.name for spec in _contributed())})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that knows its name and summary, for the help."""
        summaries = {spec.name: spec.summary for spec in _contributed()} | _SUMMARIES
        if cmd_name not in summaries:
            return None
        return TyperCommand(cmd_name, help=_no_markup(summaries[cmd_name]))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command itself, imported now."""
        name = args[0]
        if name.startswith("-"):
            return super().resolve_command(ctx, args)
        if name in CORE:  # without a look at the plugins: one of them may hang
            return name, as_command(name, load_core(name)), args[1:]
        return name, as_command(name, load_command(name, self.list_commands(ctx))), args[1:]


def load_core(name: str) -> Any:
    """Return the function, or the group of functions, of a command of the core."""
    from importlib import import_module

    module, _, attribute = CORE[name].partition(":")
    return getattr(import_module(module), attribute)


def load_command(name: str, known: list[str]) -> Callable[..., Any]:
    """Return the function of a plugin's command; raise ValueError with close matches if none."""
    if name not in known:
        raise ValueError(registry().why_absent("commands", name, known))
    loaded: Callable[..., Any] = load_entry(registry().find("commands", name))
    return loaded


def as_command(name: str, function: Callable[..., Any] | typer.Typer) -> Any:
    """Wrap a plain function with type annotations, or a group of them, as a command."""
    if isinstance(function, typer.Typer):
        return typer.main.get_command(function)
    app = typer.Typer(add_completion=False)
    app.command(name, help=_help(function))(function)
    return typer.main.get_command(app)


def _help(function: Callable[..., Any]) -> str:
    """Return the docstring up to its first section, each paragraph on one line."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    prose = takewhile(lambda paragraph: not _SECTION.match(paragraph), paragraphs)
    return _no_markup("\n\n".join(" ".join(paragraph.split()) for paragraph in prose))


def _no_markup(text: str) -> str:
    """Return help that typer's markup shows as it is written."""
    return escape(printable(text, keep="\n"))


def make_program() -> Any:
    """Return the program with the commands of the core and of every plugin."""
    app = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True)
    app.callback()(_encodekit)
    return typer.main.get_command(app)


def _show_version(asked: bool) -> None:
    if asked:
        from encodekit import __version__

        typer.echo(f"encodekit {__version__}")
        raise typer.Exit


# ``main`` takes --debug out before; it stands here for the help.
def _encodekit(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, with any command.")
    ] = False,
) -> None:
    """How well do models of speech and language predict the brain?"""


def _contributed() -> list[CommandSpec]:
    """Return the records of plugins; the core's own names stay the core's."""
    specs = [entry.spec for entry in registry().entries("commands")]
    return [spec for spec in specs if isinstance(spec, CommandSpec) and spec.name not in CORE]
