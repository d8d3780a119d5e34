"""``encodekit run`` and ``encodekit schema``: experiments in files."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from encodekit.cli._terminal import print_frame, print_table, say, say_parts
from encodekit.core import atomic_write


def run(
    file: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value over the file: regressor.cv=5. More than once."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The folder of results; NAME-results beside the file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the steps and how long they may take.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Keep nothing of earlier runs.")] = False,
) -> None:
    """Run an experiment file: features, regression and scores, into a folder of results.

    A second run computes only what changed. `encodekit schema` gives the options for editors.
    """
    from encodekit.experiments import plan_experiment, run_experiment

    if dry_run:
        _show_plan(plan_experiment(file, set_ or (), output=output))
        return
    began = time.perf_counter()

    def tell(text: str) -> None:
        passed = time.perf_counter() - began
        say_parts((f"{passed:5.0f} s", "dim"), (f"  {text}", ""), err=True)

    result = run_experiment(file, set_ or (), output=output, fresh=fresh, say=tell)
    print_frame(result.tables["scores"])


def schema(
    output: Annotated[
        Path | None, typer.Option(help="A file to write it to, instead of the terminal.")
    ] = None,
) -> None:
    """Print the JSON schema of experiment files, for editors to check and complete them.

    It has the options of everything that is registered. In VS Code, with the YAML extension, the
    first line of an experiment names it: # yaml-language-server: $schema=schema.json
    """
    from encodekit.experiments import experiment_schema

    text = json.dumps(experiment_schema(), indent=2)
    if output is None:
        say(text)
    else:
        atomic_write(output, text.encode())


def _show_plan(plan: Any) -> None:
    rows = []
    for row in plan.itertuples():
        known = "not known yet" if row.seconds != row.seconds else f"about {row.seconds:.0f}"
        rows.append((row.step, "kept" if row.kept else "to do", "" if row.kept else known))
    print_table(("step", "", "seconds"), rows)
    n_new = int(plan["seconds"].isna().sum())
    more = f", and {n_new} steps of which none was taken here yet" if n_new else ""
    say(f"about {plan['seconds'].sum():.0f} s{more}")
