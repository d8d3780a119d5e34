"""The demo's table and its report, written from what came out."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console
from rich.table import Table as Printed

import encodekit as ek
from encodekit.reports import (
    Highlight,
    Picture,
    Section,
    SurfaceViewer,
    Table,
    audit_panel,
    colours_of,
    methods_panel,
    plot_by_region,
    plot_layer_profile,
    plot_models_by_participant,
    plot_surface,
    plot_training,
    t_interval,
)
from encodekit_brain_tuning._demo_result import as_result
from encodekit_brain_tuning._experiment import AREAS, MODELS, Comparison, Settings

SCORE = "normalised r (mean r / rms ceiling)"
REFERENCE, TUNED, CONTROL = "pretrained", "multi-tuned", "shuffled-tuned"
COLOURS = colours_of(MODELS)


def print_table(result: Comparison, console: Console) -> None:
    """Print each model's mean normalised score over the held-out people, per area."""
    table = Printed(title="normalised r of held-out participants, held-out stories")
    table.add_column("features")
    for area in AREAS:
        table.add_column(area, justify="right")
        table.add_column("above pretrained", justify="right")
    means = {area: result.mean(area) for area in AREAS}
    for model in means["language"].index:
        cells = [model]
        for area in AREAS:
            gain = gains(result, model, area)
            above = "" if model == REFERENCE else f"{(gain > 0).sum()} of {len(gain)} people"
            cells += [f"{means[area][model]:.3f}", above]
        table.add_row(*cells)
    console.print(table)


def gains(result: Comparison, model: str, area: str, reference: str = REFERENCE) -> pd.Series:
    """Return each held-out participant's score with ``model`` minus that with ``reference``."""
    rows = result.table[result.table["area"] == area]
    wide = rows.pivot(index="participant", columns="model", values="score")
    return wide[model] - wide[reference]


def write_report(
    path: Path, study: Any, result: Comparison, settings: Settings, *, seed: int, seconds: float
) -> Path:
    """Write the demo's report, one HTML file, and its result beside it (``.nc``)."""
    kept = as_result(study, result, settings, seed=seed)
    kept.save(path.with_suffix(".nc"))
    audited = audit_panel(kept)
    written: Path = ek.report(
        path,
        title="Brain-tuning a small speech model",
        subtitle=f"A simulated cohort of {len(study.participants)} people, seed {seed}",
        summary=_summary(result),
        highlights=_highlights(result),
        sections=[
            _scores(result),
            _maps(result),
            _regions(result),
            _layers(result),
            _training(result),
            _limits(result, settings),
            methods_panel(kept),
            *([audited] if audited else []),
        ],
        provenance=_provenance(study, result, settings, seed, seconds),
    )
    return written


def _sentence(result: Comparison, model: str, area: str) -> str:
    if _kept_epochs(result).get(model) == 0:
        return (
            f"**{model}** features are the {REFERENCE} ones: on the validation stories, no tuned "
            "weights were better by more than chance."
        )
    gain, means = gains(result, model, area), result.mean(area)
    return (
        f"**{model}** features predict {area} areas {verdict(gain.to_numpy())} {REFERENCE} ones: "
        f"{means[model]:.3f} against {means[REFERENCE]:.3f} of the noise ceiling, "
        f"higher in {(gain > 0).sum()} of {len(gain)} people."
    )


def verdict(gain: Any) -> str:
    """Return what differences (participant,) say; a 95 % t interval with zero in it says little.

    >>> verdict([0.10, 0.12, 0.11]), verdict([0.10, -0.12, 0.11]), verdict([-0.1, -0.12, -0.11])
    ('better than', 'about as well as', 'worse than')
    """
    interval = t_interval(gain, 0.95)
    if interval.low > 0:
        return "better than"
    return "worse than" if interval.high < 0 else "about as well as"


def _summary(result: Comparison) -> str:
    told = [_sentence(result, model, "language") for model in MODELS[1:]]
    who = ", ".join(result.splits["held out"])
    return "\n\n".join(
        [
            f"Scored on people ({who}) and stories ({', '.join(result.splits['test'])}) that no "
            "tuning saw; ridge and layer were fitted on yet other stories. The brains are "
            "simulated, with a **clear signal**, stronger than in real fMRI.",
            "\n".join(f"- {sentence}" for sentence in told),
        ]
    )


def _highlights(result: Comparison) -> list[Highlight]:
    means = result.mean("language")
    gain = t_interval(gains(result, TUNED, "language").to_numpy(), 0.95)
    return [
        Highlight(f"{means[REFERENCE]:.3f}", f"{REFERENCE}, language areas"),
        Highlight(f"{means[TUNED]:.3f}", f"{TUNED}, language areas"),
        Highlight(
            f"{means[TUNED] / means[REFERENCE] - 1:+.0%}",
            "relative gain",
            f"{gain.mean:+.3f}, over people [{gain.low:.3f}, {gain.high:.3f}]",
        ),
    ]


def _scores(result: Comparison) -> Section:
    pictures = []
    for area in AREAS:
        rows = result.table[result.table["area"] == area]
        drawn = plot_models_by_participant(
            rows, order=list(result.maps.model.values), colours=COLOURS, label=SCORE
        )
        means = ", ".join(f"{model} {score:.3f}" for model, score in result.mean(area).items())
        pictures.append(
            Picture(
                drawn,
                alt=f"Scores in {area} areas by features, each participant a point: {means}.",
                caption=f"{area.capitalize()} areas. A line is one held-out participant; the bar "
                "is their mean with its 95 % t interval over people.",
            )
        )
    wide = result.table.pivot_table(
        index=["area", "model", "layer"], columns="participant", values="score", sort=False
    )
    wide.insert(0, "mean", wide.mean(axis=1))
    table = Table(wide.reset_index(), caption=f"Each held-out participant: {SCORE}.")
    text = (
        "What predicts people whose fMRI tuned no model? An interval over people says nothing "
        "about other stories: everybody heard the same ones."
    )
    return Section("Scores", text, pictures, [table], columns=2)


def _by_model(result: Comparison, model: str) -> xr.DataArray:
    return result.maps.sel(model=model)


def _maps(result: Comparison) -> Section:
    """Both maps on one scale, and their difference in r, before the ceiling."""
    tuned, reference = _by_model(result, TUNED), _by_model(result, REFERENCE)
    top = min(1.0, float(np.nanquantile(tuned.values, 0.99)))
    difference = tuned.copy(data=tuned["raw"].values - reference["raw"].values)
    difference = difference.drop_vars(["raw", "ceiling"])
    pictures = [
        Picture(
            plot_surface(
                _by_model(result, model), vmin=0, vmax=top, views=["lateral"], label="normalised r"
            ),
            alt=f"Cortical map of the scores of {model} features on fsaverage5.",
            caption=f"{model}, mean over held-out people.",
        )
        for model in (REFERENCE, TUNED)
    ]
    pictures.append(
        Picture(
            plot_surface(difference, diverging=True, views=["lateral"], label="difference in r"),
            alt=f"Cortical map of the difference in r, {TUNED} minus {REFERENCE}.",
            caption=f"{TUNED} minus {REFERENCE}, r before the ceiling.",
        )
    )
    return Section(
        "Cortical maps",
        "fsaverage5, early auditory and late language areas of the Glasser atlas (210V). "
        "Grey: not scored, or a ceiling of 0. The last one turns: drag it, or use the arrow keys.",
        pictures,
        viewers=[
            SurfaceViewer(
                {m: _by_model(result, m) for m in result.maps.model.values}, "normalised r"
            )
        ],
    )


def _regions(result: Comparison) -> Section:
    table = pd.concat(
        [
            ek.by_region(_by_model(result, model), by=["area", "region", "participant"]).assign(
                model=model
            )
            for model in (REFERENCE, TUNED)
        ]
    )
    pictures = [
        Picture(
            plot_by_region(
                table[table["area"] == area], model="model", colours=COLOURS, label=SCORE
            ),
            alt=f"Scores of {REFERENCE} and {TUNED} features in each {area} region.",
            caption=f"{area.capitalize()} areas; small points are participants.",
        )
        for area in AREAS
    ]
    return Section("By region", "Glasser areas, both hemispheres.", pictures)


def _layers(result: Comparison) -> Section:
    pictures = []
    for area in AREAS:
        rows = result.layers[result.layers["area"] == area]
        chosen = rows[rows["chosen"]]
        best = {str(m): int(k) for m, k in zip(chosen["model"], chosen["layer"], strict=True)}
        pictures.append(
            Picture(
                plot_layer_profile(
                    rows, chosen=best, interval=None, colours=COLOURS, label="cross-validated r"
                ),
                alt=f"Score by layer in {area} areas; chosen layers {best}.",
                caption=f"{area.capitalize()} areas; the ring is the layer that was chosen.",
            )
        )
    text = (
        "Each model's layer was chosen by cross-validation over the stories that fit the ridge "
        f"({', '.join(result.splits['fit'])}); the test stories had no say."
    )
    return Section("Layers", text, pictures, columns=2)


def _kept_epochs(result: Comparison) -> dict[str, float]:
    return {
        model: float(history["epoch"][history["kept"]].iloc[0])
        for model, history in result.histories.items()
    }


def _training(result: Comparison) -> Section:
    losses, aligned, best = [], [], _kept_epochs(result)
    for model, history in result.histories.items():
        epochs = history["epoch"]
        for split in ("train", "validation"):
            loss = history[f"{split}_loss"]
            losses.append(pd.DataFrame({"epoch": epochs, "value": loss, "split": split}))
            losses[-1]["model"] = model
        aligned.append(pd.DataFrame({"epoch": epochs, "value": history["validation_r"]}))
        aligned[-1]["model"] = model
    drawn = partial(plot_training, step="epoch", value="value", model="model", colours=COLOURS)
    pictures = [
        Picture(
            drawn(pd.concat(losses), label="mean squared error"),
            alt="Loss on tuning and validation stories by epoch, one colour per model.",
            caption="Loss on the tuning stories and on the validation stories.",
        ),
        Picture(
            drawn(pd.concat(aligned), split=None, best=best, label="mean r"),
            alt=f"Mean r on the validation stories by epoch; epochs kept: {best}.",
            caption="Mean r on the validation stories. The ring is the epoch that is kept.",
        ),
    ]
    text = (
        f"Tuned on {', '.join(result.splits['tuned'])}; the epoch that is kept has the highest r "
        f"with their fMRI on {', '.join(result.splits['validate'])}. With this loss and one linear "
        "head, tuning on several people equals tuning on their mean response, so the losses of "
        "different models stand on different scales."
    )
    return Section("Tuning", text, pictures, columns=2)


def _limits(result: Comparison, settings: Settings) -> Section:
    bond = gains(result, TUNED, "language", CONTROL).mean()
    return Section(
        "What this does not show",
        "- The brains are simulated; their language areas follow the words by construction.\n"
        f"- The backbone `{settings.backbone}` was pretrained to recognise words of the same "
        "small vocabulary in synthetic speech. It is no self-supervised model.\n"
        "- Weights tuned on noise, where they are kept, raise the last layer of this backbone a "
        f"little: compare {TUNED} with {CONTROL} too ({bond:+.3f} in language areas).\n"
        "- One cohort is one draw: `make check-slow` runs ten.\n"
        "- Z-scores of a test run use that run's own mean and spread.",
    )


def _provenance(
    study: Any, result: Comparison, settings: Settings, seed: int, seconds: float
) -> Mapping[str, Any]:
    chosen = result.table[["model", "area", "layer"]].drop_duplicates()
    return {
        "Command": {
            "command": f"encodekit demo --seed {seed}",
            "seconds": round(seconds),
            "seed": seed,
        },
        "Which stories and people did what": dict(result.splits),
        "Layers chosen in training runs": chosen,
        "Settings": {**asdict(settings), **dict(settings.tuning)} | {"tuning": "see above"},
        "Study": {"description": study.describe()},
    }
