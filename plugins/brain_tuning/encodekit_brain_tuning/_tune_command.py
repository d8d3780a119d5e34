"""``encodekit tune``: brain-tune a speech model on a study and save it."""

import warnings
from pathlib import Path
from typing import Annotated

import typer


def tune(
    study: Annotated[str, typer.Argument(help="A saved study's folder, or a name: simulated.")],
    output: Annotated[Path, typer.Argument(help="The folder to save the tuned model in.")],
    validate: Annotated[
        list[str], typer.Option(help="A story to stop early by; give it again for more.")
    ],
    hold_out: Annotated[
        list[str] | None, typer.Option(help="A story that is left alone, for ridge and test.")
    ] = None,
    participant: Annotated[
        list[str] | None, typer.Option(help="Whose fMRI to tune on; everybody's if not given.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="A Glasser area or group, such as late_language; all targets if none."),
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="wav2vec2 or HuBERT: a name, a folder or a hub id.")
    ] = "facebook/wav2vec2-base",
    loss: Annotated[str, typer.Option(help="l2, correlation, cosine_l2 or a plugin's.")] = "l2",
    trainable: Annotated[str, typer.Option(help="lora, all or head.")] = "lora",
    epochs: Annotated[int, typer.Option(help="Passes over the tuning stories, at most.")] = 30,
    learning_rate: Annotated[
        float, typer.Option(help="Its peak; 1e-3 for the backbone tiny.")
    ] = 1e-4,
    batch_size: Annotated[int, typer.Option(help="Clips per optimizer step.")] = 8,
    seed: Annotated[int, typer.Option(help="Decides the result, to the byte on a CPU.")] = 0,
) -> None:
    """Tune a speech model on the fMRI of a study's participants and save it.

    All stories tune but those that validate or are held out. The saved folder loads with
    BrainTunedFeatures.load.
    """
    from rich.console import Console
    from rich.table import Table

    import encodekit as ek
    from encodekit_brain_tuning._extractor import BrainTunedFeatures
    from encodekit_brain_tuning._glasser import GlasserSelector
    from encodekit_brain_tuning._kept import PretrainedKeptWarning, say_kept_pretrained

    whole = ek.load_study(study)
    left_out = {*validate, *(hold_out or [])}
    names = list(dict.fromkeys(stimulus.name for stimulus in whole.stimuli))
    parts = whole.split(
        tune=[name for name in names if name not in left_out],
        validate=validate,
        **({"held_out": hold_out} if hold_out else {}),
    )
    tuned = BrainTunedFeatures(
        backbone,
        loss=loss,
        targets=GlasserSelector(region) if region else None,
        trainable=trainable,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        random_state=seed,
    )
    responses = parts.tune.responses(participants=participant)
    with warnings.catch_warnings():  # said below, after the table
        warnings.simplefilter("ignore", PretrainedKeptWarning)
        tuned.fit(parts.tune.stimuli, responses, validation=parts.validate)
    tuned.save(output)
    console = Console()
    table = Table(title="tuning")
    for column in tuned.history_:
        table.add_column(str(column), justify="right")
    for row in tuned.history_.itertuples(index=False):
        table.add_row(*(f"{value:.4g}" for value in row))
    console.print(table)
    if tuned.kept_pretrained_:
        console.print(say_kept_pretrained(tuned.history_), style="bold yellow", highlight=False)
    console.print(f"saved: {output}", soft_wrap=True, highlight=False)
