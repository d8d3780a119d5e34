"""``encodekit score``: a saved model on a saved or registered study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from encodekit.cli._terminal import print_frame, say
from encodekit.core import atomic_write, unknown_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_ENDINGS = (".csv", ".nc")


def score(
    model: Annotated[Path, typer.Argument(help="The folder of a saved model.")],
    study: Annotated[str, typer.Argument(help="A registered study, or the folder of one.")],
    test: Annotated[
        list[str] | None, typer.Option(help="A stimulus to score on; all if none is named.")
    ] = None,
    participant: Annotated[
        list[str] | None, typer.Option(help="Whom to score; everybody if nobody is named.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="What to keep apart: coordinates of the targets, with commas.")
    ] = "participant,region",
    raw: Annotated[
        bool, typer.Option("--raw", help="Do not divide by the noise ceiling of repeats.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Where to write: the table (.csv), or the score of each target (.nc)."),
    ] = None,
) -> None:
    """Score a saved model on a study, by participant and region.

    The score is the correlation over held-out stimuli, within runs; where these were repeated it
    is divided by the noise ceiling, and the raw score stands beside it. Name the stimuli that the
    model was not fitted on with --test; a model that was fitted or validated on one is told of.
    """
    import encodekit as ek
    from encodekit.reports import heard_before

    _check_output(output)
    studied = ek.load_study(study).select(stimuli=test or None, participants=participant or None)
    fitted = ek.load(model)
    if not hasattr(fitted, "predict"):
        raise TypeError(
            f"{model} holds a {type(fitted).__name__}, which predicts no fMRI: put it before a "
            "ridge, make_pipeline(features, ek.Delayer(...), ek.RidgeCV()), fit that on some "
            "stories and ek.save it"
        )
    for said in heard_before(studied.stimuli, fitted, "the model"):
        say(f"warning: {said}, with --test", err=True)
    predicted = fitted.predict(studied.stimuli)
    true = _in_model(studied.responses(), predicted)
    names = true[0].coords["target"].values
    scores = ek.correlation(true, predicted.sel(target=names))
    if not raw and _all_repeated(true):
        repeats = studied.repeats().sel(target=names)
        scores = ek.normalise(scores, ek.noise_ceiling(repeats))
    table = ek.by_region(scores, by=[key.strip() for key in by.split(",")])
    print_frame(table, f"{model} on {', '.join(s.run_name for s in studied.stimuli)}")
    if output is not None:
        _write(output, table, scores)


def _check_output(output: Path | None) -> None:
    if output is not None and output.suffix not in _ENDINGS:
        raise ValueError(f"--output: {unknown_name('ending', output.suffix, _ENDINGS)}")
    if output is not None and not output.parent.is_dir():
        raise ValueError(f"--output: there is no folder {output.parent}: make it first")


def _in_model(true: list[Any], predicted: "xr.DataArray") -> list[Any]:
    """Return the responses at the targets that the model predicts, and say how many it does not."""
    known = true[0].indexes["target"].isin(predicted.indexes["target"])
    if not known.any():
        raise ValueError(
            f"the model predicts none of the study's {known.size} targets "
            f"({true[0].target.values[0]}, ...), but {predicted.target.values[0]}, ...: "
            "it was fitted on other participants, or in another space"
        )
    if not known.all():
        say(f"the model predicts {known.sum()} of the study's {known.size} targets", err=True)
    return [run.isel(target=known) for run in true]


def _all_repeated(true: list[Any]) -> bool:
    """Tell whether one ceiling holds for all: everybody heard every run as often, repeatedly."""
    counts = sorted({int(n) for run in true for n in run.coords["n_repeats"].values})
    if len(counts) > 1:
        say(
            f"no noise ceiling, the numbers of repeats differ ({', '.join(map(str, counts))}): "
            "name what was repeated as often with --test and --participant",
            err=True,
        )
    return len(counts) == 1 and counts[0] > 1


def _write(output: Path, table: "pd.DataFrame", scores: "xr.DataArray") -> None:

    content = table.to_csv(index=False).encode() if output.suffix == ".csv" else _netcdf(scores)
    atomic_write(output, content)
    say(f"wrote {output}", err=True)


def _netcdf(scores: "xr.DataArray") -> bytes:
    """Return scores as a netCDF file, which knows no list of texts in attributes."""
    named = scores.rename("score")
    named.attrs = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in scores.attrs.items()
    }
    return bytes(named.to_dataset().to_netcdf(engine="scipy"))
