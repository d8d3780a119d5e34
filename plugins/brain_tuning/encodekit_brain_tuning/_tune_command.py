"""``encodekit tune``: brain-tune a speech model on a study and save it."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

_StudyName = Annotated[str, typer.Argument(help="The folder of a study, or a name: simulated.")]
_Output = Annotated[Path, typer.Argument(help="The folder to save the tuned model in.")]
_Validate = Annotated[
    list[str], typer.Option(help="A story to stop early by; give it again for more.")
]
_HoldOut = Annotated[
    list[str] | None, typer.Option(help="A story that is left alone, for ridge and test.")
]
_Participant = Annotated[
    list[str] | None, typer.Option(help="Whose fMRI to tune on; everybody's if not given.")
]
_Region = Annotated[
    list[str] | None,
    typer.Option(help="A Glasser area or group, such as late_language; all targets if none."),
]
_Backbone = Annotated[str, typer.Option(help="A speech model: a name, a folder or a hub id.")]
_Loss = Annotated[str, typer.Option(help="l2, correlation, cosine_l2 or a plugin's.")]
_Update = Annotated[
    str, typer.Option(help="What learns: lora, all_weights, top_blocks, head_only or a plugin's.")
]
_Epochs = Annotated[int, typer.Option(help="Passes over the tuning stories, at most.")]
_Rate = Annotated[float, typer.Option(help="Its peak; 1e-3 for the backbone tiny.")]
_Batch = Annotated[int, typer.Option(help="Clips per optimizer step.")]
_Seed = Annotated[int, typer.Option(help="Decides the result, to the byte on a CPU.")]


def tune(
    study: _StudyName,
    output: _Output,
    validate: _Validate,
    hold_out: _HoldOut = None,
    participant: _Participant = None,
    region: _Region = None,
    backbone: _Backbone = "facebook/wav2vec2-base",
    loss: _Loss = "l2",
    update: _Update = "lora",
    epochs: _Epochs = 30,
    learning_rate: _Rate = 1e-4,
    batch_size: _Batch = 8,
    seed: _Seed = 0,
) -> None:
    """Tune a speech model on the fMRI of a study's participants and save it.

    All stories tune but those that validate or are held out. The saved folder loads with
    BrainTunedFeatures.load.
    """
    from encodekit_brain_tuning._extractor import BrainTunedFeatures
    from encodekit_brain_tuning.targets import GlasserSelector
    from encodekit_brain_tuning.training import RevertedToPretrainedWarning, Training

    tuned = BrainTunedFeatures(
        backbone,
        loss=loss,
        targets=GlasserSelector(region) if region else None,
        update=update,
        training=Training(epochs=epochs, learning_rate=learning_rate, batch_size=batch_size),
        random_state=seed,
    )
    parts = _split(study, validate, hold_out or [])
    responses = parts.tune.responses(participants=participant)
    with warnings.catch_warnings():  # said below, after the table
        warnings.simplefilter("ignore", RevertedToPretrainedWarning)
        tuned.fit(parts.tune.stimuli, responses, validation=parts.validate)
    tuned.save(output)
    _show(tuned.history_, output)


def _split(study: str, validate: list[str], hold_out: list[str]) -> Any:
    """Return the parts of a study: all stories tune but those that are named."""
    import encodekit as ek

    whole = ek.load_study(study)
    names = list(dict.fromkeys(stimulus.name for stimulus in whole.stimuli))
    return whole.split(
        tune=[name for name in names if name not in {*validate, *hold_out}],
        validate=validate,
        **({"held_out": hold_out} if hold_out else {}),
    )


def _show(history: "pd.DataFrame", output: Path) -> None:
    """Print the history, what it came to, and where the model is."""
    from rich.console import Console
    from rich.table import Table

    from encodekit.core import printable
    from encodekit_brain_tuning.training import reverted, say_kept, say_reverted

    console, table = Console(), Table(title="tuning")
    for column in history:
        table.add_column(str(column), justify="right")
    for row in history.itertuples(index=False):
        table.add_row(*(f"{value:.4g}" for value in row))
    console.print(table)
    if reverted(history):
        console.print(say_reverted(history), style="bold yellow", highlight=False, markup=False)
    else:
        console.print(f"on the validation runs {say_kept(history)}", highlight=False, markup=False)
    typer.echo(f"saved: {printable(output)}")
