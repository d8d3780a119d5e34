"""The demo's table and its report, written from what came out."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd
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
from encodekit_brain_tuning.demo._backbones import said_of, short_name
from encodekit_brain_tuning.demo._gains import (
    CONTROL,
    REFERENCE,
    TUNED,
    gains,
    means_of,
    rows_of,
    splits,
    verdict,
)
from encodekit_brain_tuning.training import say_gain

SCORE = "normalised r (mean r / rms ceiling)"


def print_table(result: ek.Result, console: Console) -> None:
    """Print each model's mean normalised score over the held-out people, per area."""
    table = Printed(title="normalised r of held-out participants, held-out stories")
    table.add_column("features")
    for area in result.groups:
        table.add_column(area, justify="right")
        table.add_column("above pretrained", justify="right")
    means = {area: means_of(result, area) for area in result.groups}
    for model in means["language"].index:
        cells = [model]
        for area in result.groups:
            gain = gains(result, model, area)
            above = "" if model == REFERENCE else f"{(gain > 0).sum()} of {len(gain)} people"
            cells += [f"{means[area][model]:.3f}", above]
        table.add_row(*cells)
    console.print(table)


def write_report(path: Path, result: ek.Result, *, seconds: float) -> Path:
    """Write the demo's report, one HTML file, and its result beside it (``.nc``)."""
    result.save(path.with_suffix(".nc"))
    audited = audit_panel(result)
    seed = result.provenance["seed"]
    n_people = result.provenance["experiment"]["study"]["n_participants"]
    written: Path = ek.report(
        path,
        title=result.name,
        subtitle=f"A simulated cohort of {n_people} people, seed {seed}, "
        f"backbone {short_name(_backbone(result))}",
        summary=_summary(result),
        highlights=_highlights(result),
        sections=[
            _scores(result),
            _maps(result),
            _regions(result),
            _layers(result),
            _training(result),
            _limits(result),
            methods_panel(result),
            *([audited] if audited else []),
        ],
        provenance=_provenance(result, seconds),
    )
    return written


def _sentence(result: ek.Result, model: str, area: str) -> str:
    if _kept_epochs(result).get(model) == 0:
        found = say_gain(_histories(result)[model])
        return f"**{model}** features are the {REFERENCE} ones: in validation, {found}."
    gain, means = gains(result, model, area), means_of(result, area)
    return (
        f"**{model}** features predict {area} areas: {verdict(gain.to_numpy())} {REFERENCE} ones, "
        f"{means[model]:.3f} against {means[REFERENCE]:.3f} of the noise ceiling, "
        f"higher in {(gain > 0).sum()} of {len(gain)} people.{_losses(result, model, area)}"
    )


def _losses(result: ek.Result, model: str, told: str) -> str:
    """Return what a model lost in areas beside those that are told, where it did."""
    said = ""
    for area in result.groups:
        loss, means = -gains(result, model, area), means_of(result, area)
        if area != told and loss.mean() > 0:
            found = t_interval(loss)
            how = "it **loses**" if found.low > 0 else "no loss is shown"
            said += (
                f" In {area} areas {how}: {means[model]:.3f} against {means[REFERENCE]:.3f}, lower "
                f"in {(loss > 0).sum()} of {len(loss)} people, by {found.mean:.3f} "
                f"[{found.low:.3f}, {found.high:.3f}]."
            )
    return said


def _summary(result: ek.Result) -> str:
    told = [_sentence(result, model, "language") for model in result.models[1:]]
    who = ", ".join(splits(result)["held out"])
    return "\n\n".join(
        [
            f"Scored on people ({who}) and stories ({', '.join(splits(result)['test'])}) that no "
            "tuning saw; ridge and layer were fitted on yet other stories. The brains are "
            "simulated, with a **clear signal**, stronger than in real fMRI.",
            "\n".join(f"- {sentence}" for sentence in told),
        ]
    )


def _highlights(result: ek.Result) -> list[Highlight]:
    means = means_of(result, "language")
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


def _scores(result: ek.Result) -> Section:
    pictures = []
    for area in result.groups:
        rows = rows_of(result, area)
        drawn = plot_models_by_participant(
            rows, order=result.models, colours=colours_of(result.models), label=SCORE
        )
        means = ", ".join(f"{model} {score:.3f}" for model, score in means_of(result, area).items())
        pictures.append(
            Picture(
                drawn,
                alt=f"Scores in {area} areas by features, each participant a point: {means}.",
                caption=f"{area.capitalize()} areas. A line is one held-out participant; the bar "
                "is their mean with its 95 % t interval over people.",
            )
        )
    wide = result.tables["scores"].pivot_table(
        index=["area", "model", "layer"], columns="participant", values="score", sort=False
    )
    wide.insert(0, "mean", wide.mean(axis=1))
    table = Table(wide.reset_index(), caption=f"Each held-out participant: {SCORE}.")
    text = (
        "What predicts people whose fMRI tuned no model? An interval over people says nothing "
        "about other stories: everybody heard the same ones."
    )
    return Section("Scores", text, pictures, [table], columns=2)


def _maps(result: ek.Result) -> Section:
    """Both maps on one scale, and their difference in r, before the ceiling."""
    tuned, reference = result.of(TUNED), result.of(REFERENCE)
    top = min(1.0, float(np.nanquantile(tuned.values, 0.99)))
    difference = tuned.copy(data=tuned["raw"].values - reference["raw"].values)
    difference = difference.drop_vars(["raw", "ceiling"])
    pictures = [
        Picture(
            plot_surface(
                result.of(model), vmin=0, vmax=top, views=["lateral"], label="normalised r"
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
        viewers=[SurfaceViewer({m: result.of(m) for m in result.models}, "normalised r")],
    )


def _regions(result: ek.Result) -> Section:
    table = pd.concat(
        [
            ek.by_region(result.of(model), by=["area", "region", "participant"]).assign(model=model)
            for model in (REFERENCE, TUNED)
        ]
    )
    pictures = [
        Picture(
            plot_by_region(
                table[table["area"] == area],
                model="model",
                colours=colours_of(result.models),
                label=SCORE,
            ),
            alt=f"Scores of {REFERENCE} and {TUNED} features in each {area} region.",
            caption=f"{area.capitalize()} areas; small points are participants.",
        )
        for area in result.groups
    ]
    return Section("By region", "Glasser areas, both hemispheres.", pictures)


def _layers(result: ek.Result) -> Section:
    pictures = []
    for area in result.groups:
        rows = result.tables["layers"].query("area == @area")
        chosen = rows[rows["chosen"]]
        best = {str(m): int(k) for m, k in zip(chosen["model"], chosen["layer"], strict=True)}
        pictures.append(
            Picture(
                plot_layer_profile(
                    rows,
                    chosen=best,
                    interval=None,
                    colours=colours_of(result.models),
                    label="cross-validated r",
                ),
                alt=f"Score by layer in {area} areas; chosen layers {best}.",
                caption=f"{area.capitalize()} areas; the ring is the layer that was chosen.",
            )
        )
    text = (
        "Each model's layer was chosen by cross-validation over the stories that fit the ridge "
        f"({', '.join(splits(result)['fit'])}); the test stories had no say."
    )
    return Section("Layers", text, pictures, columns=2)


def _histories(result: ek.Result) -> dict[str, pd.DataFrame]:
    table = result.tables["training"]
    return {str(model): rows for model, rows in table.groupby("model", sort=False)}


def _kept_epochs(result: ek.Result) -> dict[str, float]:
    return {
        model: float(history.loc[history["kept"].astype(bool), "epoch"].iloc[0])
        for model, history in _histories(result).items()
    }


def _training(result: ek.Result) -> Section:
    losses, aligned, best = [], [], _kept_epochs(result)
    for model, history in _histories(result).items():
        epochs = history["epoch"]
        for split in ("train", "validation"):
            loss = history[f"{split}_loss"]
            losses.append(pd.DataFrame({"epoch": epochs, "value": loss, "split": split}))
            losses[-1]["model"] = model
        aligned.append(pd.DataFrame({"epoch": epochs, "value": history["validation_r"]}))
        aligned[-1]["model"] = model
    drawn = partial(
        plot_training, step="epoch", value="value", model="model", colours=colours_of(result.models)
    )
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
    who = splits(result)
    text = (
        f"Tuned on {', '.join(who['tuned'])}; the epoch that is kept has the highest r with their "
        f"fMRI on {', '.join(who['validate'])}, or is the start where no later r is higher by two "
        "standard errors. With this loss and one linear head, tuning on "
        "several people equals tuning on their mean response, so the losses of different models "
        "stand on different scales."
    )
    return Section("Tuning", text, pictures, columns=2)


def _limits(result: ek.Result) -> Section:
    bond = gains(result, TUNED, "language", CONTROL).mean()
    backbone = _backbone(result)
    return Section(
        "What this does not show",
        "- The brains are simulated; their language areas follow the words by construction.\n"
        f"- The backbone `{short_name(backbone)}` {said_of(backbone)}\n"
        f"- Weights tuned on noise change features too: compare {TUNED} with {CONTROL} "
        f"({bond:+.3f} in language areas). Where {CONTROL} features are the pretrained ones, "
        "validation has kept the tuned weights back: without it, tuning on shuffled fMRI raises "
        "scores too, over many cohorts by half of what real fMRI does.\n"
        "- One cohort is one draw: `make check-slow` runs ten.\n"
        "- Z-scores of a test run use that run's own mean and spread.",
    )


def _tuned_features(result: ek.Result) -> dict[str, Any]:
    return dict(result.provenance["experiment"]["models"][TUNED]["features"])


def _backbone(result: ek.Result) -> str:
    return str(_tuned_features(result)["backbone"])


def _provenance(result: ek.Result, seconds: float) -> Mapping[str, Any]:
    chosen = result.tables["scores"][["model", "area", "layer"]].drop_duplicates()
    experiment, seed = result.provenance["experiment"], result.provenance["seed"]
    steps = {name: experiment[name] for name in ("delays", "scale", "layers", "regressor", "score")}
    return {
        "Command": {
            "command": f"encodekit demo --seed {seed} --backbone {quote(_backbone(result))}",
            "seconds": round(seconds),
            "seed": seed,
        },
        "Which stories and people did what": splits(result),
        "Layers chosen in training runs": chosen,
        "Settings": {**_tuned_features(result), **steps},
        "Study": {"description": result.provenance["study"]},
    }
