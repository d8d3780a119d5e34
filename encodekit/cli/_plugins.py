"""``encodekit plugins``: what was found, what it brings, why something was skipped, and switches.

Plugins are examined in a process of its own, so that one that hangs, or takes the process down,
is named like any other that fails.
"""

import json
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from encodekit.cli._terminal import print_table, say, say_parts, styled
from encodekit.core import isolated, unknown_name
from encodekit.plugins import Plugin, PluginWarning, Registry, Spec, cause_of, installed_plugins
from encodekit.plugins._discovery import BUILTINS
from encodekit.plugins._probe import TIME_LIMIT, probe
from encodekit.plugins._records import name_key
from encodekit.plugins._switches import switch, switches_file

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Limit = Annotated[float, typer.Option(help="Seconds that one plugin may take to be imported.")]
Name = Annotated[str, typer.Argument(help="The name of the plugin, or of its distribution.")]

plugins = typer.Typer(
    help="Show every plugin, what it brings, and why one was skipped; switch, check or write one.",
    add_completion=False,
)


@plugins.callback(invoke_without_command=True)
def show(ctx: typer.Context, json: AsJSON = False, time_limit: Limit = TIME_LIMIT) -> None:
    """Show every plugin, what it brings, and why one was skipped; switch, check or write one."""
    if ctx.invoked_subcommand is not None:
        return
    found = examined(time_limit)
    if json:
        say(_to_json([describe(plugin) for plugin in found.plugins], found.clashes()))
        return
    _show(found.plugins)
    for plugin in found.plugins:
        if plugin.cause is not None:
            say(f"{plugin.name}  {plugin.status}: {plugin.cause}", style=_colour(plugin))
    for clash in found.clashes():
        say_parts(("clash", "red"), (f": {clash}", ""))
    say("loaded: its records are; encodekit plugins check NAME loads what they name", style="dim")


@plugins.command()
def disable(name: Name) -> None:
    """Switch a plugin off, for every later process, until it is enabled."""
    plugin = _installed(name)
    if plugin.name == BUILTINS:
        raise ValueError(f"{BUILTINS} is encodekit itself: it cannot be disabled")
    done = switch(plugin.name, on=False)
    say(f"{plugin.title} is {'now' if done else 'already'} disabled ({switches_file()})")


@plugins.command()
def enable(name: Name) -> None:
    """Switch a disabled plugin on again."""
    plugin = _installed(name)
    done = switch(plugin.name, on=True)
    say(f"{plugin.title} is {'now' if done else 'already'} enabled ({switches_file()})")


@plugins.command()
def check(name: Name, time_limit: Limit = TIME_LIMIT) -> None:
    """Load everything that a plugin registers, and check that it keeps its contract.

    The exit code is 1 if something does not.
    """
    found = examined(time_limit)
    wanted = _installed(name, found)
    plugin = next(one for one in found.plugins if one.title == wanted.title)
    if plugin.status != "loaded":
        say(f"{plugin.title} is {plugin.status}: {plugin.cause}")
        raise typer.Exit(1)
    early = _early(plugin, time_limit)
    n_bad = int(bool(early))
    if early:
        say(
            f"BAD  discovery: imports {', '.join(early)}, which every start of encodekit waits "
            f"for, and without which the whole plugin is skipped: leave __init__.py empty and "
            f"import nothing but records in {plugin.module}"
        )
    for record, said, error in _checks(plugin, found):
        n_bad += error is not None
        say(f"{'ok ' if error is None else 'BAD'}  {record}: {said if error is None else error}")
    raise typer.Exit(1 if n_bad else 0)


@plugins.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the distribution, such as my-lab-pitch.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Write the package of a new plugin: a feature extractor, its tests, and all around them."""
    from encodekit.cli._new_plugin import write_plugin

    path = write_plugin(name, folder)
    say(f"wrote {path}: pip install -e '{path}[test]', then encodekit plugins check {name}")


def examined(time_limit: float = TIME_LIMIT) -> Registry:
    """Return the registry as discovered in a process of its own; clashes are not warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        return Registry(probe(time_limit))


def _checks(plugin: Plugin, found: Registry) -> list[tuple[str, str, str | None]]:
    """Return what `check_plugin` says: of each record by itself, for one may end all the others."""
    from encodekit.testing import check_plugin

    def checked(record: tuple[str, Spec]) -> list[tuple[str, str, str | None]]:
        alone, nobody = replace(plugin, records=(record,)), Registry([], prefer={})
        return list(check_plugin(alone, nobody))

    def failed(record: tuple[str, Spec], error: BaseException) -> list[tuple[str, str, str | None]]:
        return [(f"{record[0]} {record[1].name}", "", cause_of(error))]

    told = []
    for record in plugin.records:
        told += isolated(partial(checked, record), partial(failed, record))
    return [*told, *check_plugin(replace(plugin, records=()), found)]


def _early(plugin: Plugin, time_limit: float) -> tuple[str, ...]:
    """Return what discovery of the plugin imports where no other plugin has imported it before."""
    alone = probe(time_limit, wanted=plugin.name)
    return next((one.early for one in alone if one.title == plugin.title), ())


def _installed(name: str, found: Registry | None = None) -> Plugin:
    """Return the installed plugin of that name, without importing any.

    Where there is none, what was ``found`` tells whose record has the name.
    """
    known = installed_plugins()
    for plugin in known:
        if plugin.is_called(name):
            return plugin
    for plugin in found.plugins if found else ():
        for _, spec in plugin.records:
            if name_key(spec.name) == name_key(name):
                raise ValueError(
                    f"{name!r} is no plugin but a {spec.noun} of the plugin {plugin.title}: "
                    f"encodekit plugins check {plugin.name}"
                )
    raise ValueError(unknown_name("plugin", name, [plugin.name for plugin in known]))


def describe(plugin: Plugin) -> dict[str, Any]:
    """Return what is known of a plugin, ready for JSON."""
    brought: dict[str, list[str]] = {}
    for kind, spec in plugin.records:
        brought.setdefault(kind, []).append(spec.name)
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "status": plugin.status,
        "cause": plugin.cause,
        "brings": brought,
    }


def _to_json(found: list[dict[str, Any]], clashes: list[str]) -> str:
    return json.dumps({"plugins": found, "clashes": clashes}, indent=2)


def _show(found: tuple[Plugin, ...]) -> None:
    rows = []
    for plugin in found:
        status = styled(plugin.status, _colour(plugin))
        lines = [
            f"{kind}: {', '.join(names)}" for kind, names in describe(plugin)["brings"].items()
        ]
        rows.append((plugin.name, plugin.version, status, "\n".join(lines)))
    print_table(("plugin", "version", "status", "brings"), rows)


def _colour(plugin: Plugin) -> str:
    return {"loaded": "green", "skipped": "red"}.get(plugin.status, "dim")
