"""``encodekit demo``: a simulated cohort, four kinds of features, one report."""

import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from encodekit.core import printable

if TYPE_CHECKING:
    from rich.console import Console

    import encodekit as ek

REPORT = Path("report.html")
Say = Callable[[str], None]


def demo(
    output: Annotated[Path, typer.Option(help="The report to write.")] = REPORT,
    seed: Annotated[int, typer.Option(help="Seed of stories, brains, noise and tuning.")] = 2026,
    backbone: Annotated[
        str, typer.Option(help="The speech model: tiny, whisper-tiny.en, a folder, or a hub id.")
    ] = "tiny",
    open_report: Annotated[
        bool, typer.Option("--open", help="Open the report in a browser when it is ready.")
    ] = False,
) -> None:
    """Tune a speech model on simulated people and test it on others; write a report.

    A cohort with a clear signal hears spoken stories. The model before tuning, tuned on one
    person, on several, and on shuffled fMRI are compared on people and stories that no tuning saw.
    """
    from rich.console import Console

    console = Console(stderr=True)
    began = time.perf_counter()
    say = _clock(console, began)
    say("loading")
    from encodekit_brain_tuning.demo._report import print_table, write_report

    result = run_demo(seed, say, backbone=backbone)
    say("drawing the report")
    path = write_report(output, result, seconds=time.perf_counter() - began)
    print_table(result, Console())
    typer.echo(f"report: {printable(path)}")
    if open_report:
        typer.launch(path.resolve().as_uri())


def run_demo(
    seed: int, say: Say, changes: Iterable[str] = (), *, backbone: str = "tiny"
) -> "ek.Result":
    """Run the demo's experiment file in a folder of its own: nothing of earlier runs is taken.

    A backbone other than "tiny" has settings of its own, see `changes_for`. ``changes`` are
    ``"key=value"``, as of `encodekit.experiments.run_experiment`.
    """
    from encodekit.experiments import run_experiment
    from encodekit.features import resolve_backbone
    from encodekit_brain_tuning.demo._backbones import changes_for
    from encodekit_brain_tuning.training import RevertedToPretrainedWarning

    resolve_backbone(backbone)  # a name that is nowhere is refused before anything is made
    shipped = as_file(files("encodekit_brain_tuning.demo") / "demo.yaml")
    with shipped as file, tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RevertedToPretrainedWarning
        )  # the report says whose were kept
        own = [f"seed={seed}", f"study.seed={seed}", *changes_for(backbone)]
        return run_experiment(file, [*own, *changes], output=folder, say=say)


def _clock(console: "Console", began: float) -> Say:
    from rich.text import Text

    def say(text: str) -> None:
        passed = Text(f"{time.perf_counter() - began:5.0f} s", style="dim")
        console.print(passed.append(f"  {printable(text)}", style="not dim"))

    return say
