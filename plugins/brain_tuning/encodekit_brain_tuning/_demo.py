"""``encodekit demo``: a simulated cohort, four kinds of features, one report."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from encodekit_brain_tuning._experiment import Say

REPORT = Path("report.html")


def demo(
    output: Annotated[Path, typer.Option(help="The report to write.")] = REPORT,
    seed: Annotated[int, typer.Option(help="Seed of stories, brains, noise and tuning.")] = 2026,
    open_report: Annotated[
        bool, typer.Option("--open", help="Open the report in a browser when it is ready.")
    ] = False,
) -> None:
    """Tune a small speech model on simulated people and test it on others; write a report.

    A cohort with a clear signal hears spoken stories. The model before tuning, tuned on one
    person, on several, and on shuffled fMRI are compared on people and stories that no tuning saw.
    """
    from rich.console import Console

    console = Console(stderr=True)
    began = time.perf_counter()
    say = _clock(console, began)
    say("loading")
    import encodekit as ek
    from encodekit_brain_tuning._demo_report import print_table, write_report
    from encodekit_brain_tuning._experiment import MODELS, compare_models
    from encodekit_brain_tuning._settings import COHORT, SETTINGS

    say("simulating a cohort that hears spoken stories")
    study = ek.simulate_study(seed=seed, **COHORT)
    result = compare_models(study, SETTINGS, models=MODELS, random_state=seed, say=say)
    say("drawing the report")
    seconds = time.perf_counter() - began
    path = write_report(output, study, result, SETTINGS, seed=seed, seconds=seconds)
    print_table(result, Console())
    Console().print(f"report: {path}", soft_wrap=True, highlight=False)
    if open_report:
        typer.launch(path.resolve().as_uri())


def _clock(console: "Console", began: float) -> "Say":
    def say(text: str) -> None:
        console.print(f"[dim]{time.perf_counter() - began:5.0f} s[/dim]  {text}", highlight=False)

    return say
