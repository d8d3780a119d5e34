"""``encodekit audit``: which data made every decision behind a saved result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from encodekit.cli._terminal import print_table, say, styled

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
        say(f"{wrong} decisions were taken on test data", err=True)
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
    rows = []
    for row in table.to_dict("records"):
        style = {"ok": "", "unknown": "yellow"}.get(row["verdict"], "bold red")
        decided = f"{row['what']}: {row['value']}" + (f" ({row['how']})" if row["how"] else "")
        made_on = f"runs: {row['runs']}\npeople: {row['participants']}"
        verdict = f"{row['verdict']}: {row['why']}"
        rows.append([styled(text, style) for text in (decided, made_on, verdict)])
    print_table(("decision", "made on", "verdict"), rows, title=title, gap=1)
