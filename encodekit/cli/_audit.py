"""``encodekit audit``: which data made every decision behind a saved result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd


def audit(
    path: Annotated[Path, typer.Argument(help="A saved result, or a folder of them.")],
) -> None:
    """Show every decision behind a saved result, in red where test data made it.

    Epoch, layer, alpha, regions, targets, loss and ceiling: each with its value, its rule, and the
    stories and people it was taken on. Ends with 1 where a decision was taken on what is scored.
    """
    import encodekit as ek
    from encodekit.reports import audit as audit_result

    wrong = 0
    for file in _results(path):
        result = ek.Result.load(file)
        table = audit_result(result)
        wrong += int((table["verdict"] == "TEST DATA").sum())
        _show(table, f"{result.name} ({file})")
    if wrong:
        typer.echo(f"{wrong} decisions were taken on test data", err=True)
        raise typer.Exit(1)


def _results(path: Path) -> list[Path]:
    if path.suffix in (".nc", ".zarr"):
        return [path]
    found = sorted([*path.rglob("*.nc"), *path.rglob("*.zarr")]) if path.is_dir() else []
    if not found:
        raise FileNotFoundError(
            f"{path} is no result and holds none: expected a .nc file or a .zarr folder that "
            "Result.save wrote"
        )
    return found


def _show(table: "pd.DataFrame", title: str) -> None:
    from rich.markup import escape

    shown = Table(title=escape(title), title_justify="left", box=None, padding=(0, 2, 1, 0))
    for name in ("decision", "made on", "verdict"):
        shown.add_column(name)
    for row in table.to_dict("records"):
        style = {"ok": None, "unknown": "yellow"}.get(row["verdict"], "bold red")
        decided = f"{row['what']}: {row['value']}" + (f" ({row['how']})" if row["how"] else "")
        made_on = f"runs: {row['runs']}\npeople: {row['participants']}"
        verdict = f"{row['verdict']}: {row['why']}"
        shown.add_row(*map(escape, (decided, made_on, verdict)), style=style)
    Console().print(shown)
