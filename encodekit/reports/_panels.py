"""The report's own panels: what a result holds, as sections."""

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from encodekit.core import isolated, warn_caller
from encodekit.plugins import Entry, cause_of, load_entry, registry
from encodekit.plugins._discovery import BUILTINS
from encodekit.reports._audit import OK, TEST, audit
from encodekit.reports._curves import plot_learning_curve
from encodekit.reports._difference import plot_difference
from encodekit.reports._drawn import Drawn, drawn, undisturbed
from encodekit.reports._layers import plot_layer_profile
from encodekit.reports._markup import as_written
from encodekit.reports._methods import methods
from encodekit.reports._models import plot_models_by_participant
from encodekit.reports._regions import plot_by_region
from encodekit.reports._result import Result
from encodekit.reports._sections import Picture, Section, Table
from encodekit.reports._surface import plot_surface
from encodekit.reports._viewer import SurfaceViewer
from encodekit.scoring import data_to_reach
from encodekit.scoring._data_to_reach import FEWEST_COHORTS

_DRAWN = frozenset({"fsaverage5", "fsaverage6", "fsaverage7", "fsaverage"})
R, NORMALISED = "correlation with the brain (r)", "normalised r (over the noise ceiling)"


def panels(result: Result, first: int = 1) -> Iterator[Drawn]:
    """Yield every registered panel that has something to show, drawn, in order.

    A panel that fails while it is made or drawn, or returns something else than a Section, is
    warned of and said to be missing; the others are shown.

    Parameters
    ----------
    result : Result
    first : int
        Number of the first section.
    """
    entries = registry().entries("panels")
    number = first
    for entry in sorted(entries, key=lambda one: (getattr(one.spec, "order", 100), one.spec.name)):
        panel = isolated(partial(_panel, entry, result, number), partial(_not_shown, entry, number))
        if panel is not None:
            yield panel
            number += 1


def _panel(entry: Entry, result: Result, number: int) -> Drawn | None:
    own = result if entry.plugin.name == BUILTINS else copy.deepcopy(result)  # it may change it
    with undisturbed():
        section = load_entry(entry)(own)
        return None if section is None else drawn(section, number)


def _not_shown(entry: Entry, number: int, error: BaseException) -> Drawn:
    cause = cause_of(error)
    message = f"the panel {entry.spec.name!r} of {entry.plugin.title} failed: {cause}"
    warn_caller(message, UserWarning)
    return drawn(Section(entry.spec.name, as_written(f"Not shown: {message}")), number)


def scores_panel(result: Result) -> Section:
    """Every participant under every model, in each set of regions and over all targets."""
    table = result.table("participant")
    label = _label(result)
    pictures = []
    for group in dict.fromkeys(table["group"]):
        rows = table[table["group"] == group]
        means = rows.groupby("model", sort=False)["score"].mean()
        said = ", ".join(f"{model} {score:.3f}" for model, score in means.items())
        pictures.append(
            Picture(
                plot_models_by_participant(rows, order=result.models, label=label),
                alt=f"Scores in {group}, each participant a point: {said}.",
                caption=f"**{as_written(group)}**. A line is one participant; the bar is their "
                "mean with its 95 % t interval over people.",
            )
        )
    wide = table.pivot_table(
        index=["group", "model"], columns="participant", values="score", sort=False
    )
    wide.insert(0, "mean", wide.mean(axis=1))
    text = "“all” is every target that was scored, in a region or not."
    tables = [Table(wide.reset_index(), caption=label)]
    return Section("Scores", text, pictures, tables, columns=2)


def maps_panel(result: Result) -> Section | None:
    """Return the whole cortex, to look at and to turn."""
    if not _has_places(result):
        return None
    label = "normalised r" if result.ceiling is not None else R
    maps = {model: result.of(model) for model in result.models}
    pictures = [
        Picture(
            plot_surface(scores, label=label, views=["lateral", "medial"]),
            alt=f"Map of the scores of {model} on the inflated cortex.",
            caption=f"{as_written(model)}, mean over participants.",
        )
        for model, scores in maps.items()
    ]
    areas = _areas(result)
    viewer = SurfaceViewer(maps, label, areas=areas)
    text = (
        "Grey: not scored, or a ceiling of 0. The last one turns: drag it, or use the arrow keys."
    )
    return Section("Cortical maps", text, pictures, viewers=[viewer])


def difference_panel(result: Result) -> Section | None:
    """Return each model minus the first one, target by target."""
    if len(result.models) < 2 or not _has_places(result):
        return None
    first = result.models[0]
    pictures = [
        Picture(
            plot_difference(
                result.scores.sel(model=model, drop=True),
                result.scores.sel(model=first, drop=True),
                views=["lateral"],
            ),
            alt=f"Map of the difference in r, {model} minus {first}.",
            caption=f"{as_written(model)} minus {as_written(first)}: r before the ceiling, "
            "mean over participants.",
        )
        for model in result.models[1:]
    ]
    return Section("Differences", "", pictures)


def regions_panel(result: Result) -> Section | None:
    """Return every named region of every model."""
    if "region" not in result.scores.coords:
        return None
    table = result.table(["region", "participant"])
    table = table[(table["group"] == "all") & (table["region"] != "")]
    if not 1 < table["region"].nunique() <= 60:
        return None
    picture = Picture(
        plot_by_region(table, model="model", models=result.models, label=_label(result)),
        alt="Scores by region, each participant a point.",
        caption="Small points are participants, large ones their mean with its t interval.",
    )
    return Section("By region", "", [picture])


def layers_panel(result: Result) -> Section | None:
    """Return the scores along the layers, where the result has them."""
    table = result.tables.get("layers")
    if table is None:
        return None
    model = "model" if "model" in table else None
    picture = Picture(
        plot_layer_profile(table, model=model, label="cross-validated r"),
        alt="Score by layer.",
        caption="Inside the training runs; the test runs had no say.",
    )
    return Section("Layers", "", [picture])


def curve_panel(result: Result) -> Section | None:
    """Return the learning curve, and how much data reaches the first model's reference."""
    table = result.tables.get("learning_curve")
    if table is None:
        return None
    unit = "cohort" if "cohort" in table else "participant"
    reference = str(table["model"].iloc[0])
    known = table[unit].nunique() >= FEWEST_COHORTS
    reached = data_to_reach(table, reference, cohort=unit, intervals=known)
    picture = Picture(
        plot_learning_curve(table, cohort=unit, reference=reference, label=_label(result)),
        alt=f"Scores against minutes of data, with the score of {reference} at full data.",
        caption=f"Dashed: fitted score of {as_written(reference)} at full data. A diamond is where "
        f"a curve reaches it. Thin lines: {unit}s.",
    )
    ends = ["low", "high"] if known else []
    columns = ["model", "needed", *ends, "share", "gain", "not_reached", "n_cohorts"]
    said = (
        f"95 % intervals by t over {unit}s (Fieller)"
        if known
        else f"no intervals, which take {FEWEST_COHORTS} {unit}s or more"
    )
    caption = f"Minutes that reach the reference; {said}."
    return Section("How much data", "", [picture], [Table(reached[columns], caption)])


def tests_panel(result: Result) -> Section | None:
    """Return how many targets, or groups of them, are above chance."""
    if result.tests is None:
        return None
    rows = []
    for model in result.models:
        one = result.tests.sel(model=model)
        row: dict[str, Any] = {"model": model, "tested": int(one["r"].notnull().sum())}
        for name in ("q_over_stimulus", "p_fwe_over_stimulus", "q_over_people"):
            if name in one:
                row[f"{name} < .05"] = int((one[name] < 0.05).sum())
        rows.append(row)
    text = (
        "*Over stimulus*: would predictions of another stimulus do as well? *Over people*: would "
        "other people show it with this very stimulus? The second finds effects wherever people "
        "share responses, whatever the model."
    )
    return Section("Significance", text, tables=[Table(pd.DataFrame(rows))])


def methods_panel(result: Result) -> Section:
    """Return the paragraph of a methods section."""
    return Section("Methods", methods(result))


def audit_panel(result: Result) -> Section | None:
    """Return every decision and the data behind it."""
    if not result.decisions:
        return None
    table = audit(result)
    wrong = int((table["verdict"] == TEST).sum())
    unknown = int((~table["verdict"].isin([OK, TEST])).sum())
    said = "No decision was taken on what is scored."
    if wrong:
        said = f"**{wrong} of {len(table)} decisions were taken on test data.**"
    if unknown:
        said += f" Of {unknown} it is not recorded what they were taken on."
    return Section("Audit", said, tables=[Table(table, alarm=TEST)])


def _label(result: Result) -> str:
    return R if result.ceiling is None else NORMALISED


def _has_places(result: Result) -> bool:
    there = {"hemisphere", "vertex"} <= set(result.scores.coords)
    return there and result.scores.attrs.get("space", "") in _DRAWN


def _areas(result: Result) -> dict[str, Any]:
    if "region" not in result.scores.coords:
        return {}
    areas = {side: np.full(10242, "", dtype=object) for side in ("left", "right")}
    coords = result.scores.coords
    for side, named in areas.items():
        here = (coords["hemisphere"].values == side) & (coords["vertex"].values < len(named))
        named[coords["vertex"].values[here]] = coords["region"].values[here]
    return {side: named.astype(str) for side, named in areas.items()}
