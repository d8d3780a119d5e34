"""``encodekit plugins``: what was found, what it brings, and why something was skipped."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from encodekit.plugins import Plugin, registry

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def plugins(json: AsJSON = False) -> None:
    """Show every plugin, what it brings, and why one was skipped."""
    found = registry()
    if json:
        typer.echo(_to_json([describe(plugin) for plugin in found.plugins], found.clashes()))
        return
    console = Console()
    console.print(_table(found.plugins))
    for clash in found.clashes():
        console.print(Text.assemble(("clash", "red"), f": {clash}"))


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


def _table(found: tuple[Plugin, ...]) -> Table:
    table = Table("plugin", "version", "status", "brings", box=None, padding=(0, 2, 0, 0))
    for plugin in found:
        status = plugin.status if plugin.cause is None else f"{plugin.status}: {plugin.cause}"
        colour = {"loaded": "green", "skipped": "red"}.get(plugin.status, "dim")
        lines = [
            f"{kind}: {', '.join(names)}" for kind, names in describe(plugin)["brings"].items()
        ]
        table.add_row(plugin.name, plugin.version, Text(status, style=colour), "\n".join(lines))
    return table
