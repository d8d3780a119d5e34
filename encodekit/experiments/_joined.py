"""One result of an experiment, joined from those of its models and areas."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.experiments._steps import Work
from encodekit.reports import Decision, Result, environment

Found = Mapping[tuple[str, str], Result]  # by model and area


def joined(work: Work, found: Found) -> Result:
    """Return the result of an experiment.

    Targets of all areas stand one after the other, with the coordinate ``area``; one that is in
    two areas, and was fitted in each, stands there twice.

    Parameters
    ----------
    work : Work
    found : mapping of (model, area) to Result
        Each with the scores of one model.

    Returns
    -------
    Result
        ``tables`` has ``scores``, as `run_experiment` describes it, and, where there are any,
        ``layers`` and ``training``. A decision is named by the model and the area that it is of;
        by the model alone where it is the same in every area.
    """
    content = work.content
    result = Result(
        content["title"] or work.study.name,
        _scores(work, found),
        ceiling=_ceiling(work, found),
        regions=_regions(work, found),
        tables=_tables(work, found),
        decisions=tuple(_decisions(work, found)),
        provenance=_provenance(work, found),
    )
    return result.adding(scores=_table(work, result))


def _scores(work: Work, found: Found) -> xr.DataArray:
    parts = []
    for area in work.areas:
        of_area = [found[model, area].scores for model in work.models]
        part = xr.concat(of_area, "model", combine_attrs="override")
        if work.has_areas:
            part = part.assign_coords(area=("target", [area] * part.sizes["target"]))
        parts.append(part)
    # Areas may be of other kinds, such as vertices and means of regions: what all have is kept.
    common = set.intersection(*(set(map(str, part.coords)) for part in parts))
    kept = [part.drop_vars(set(part.coords) - common) for part in parts]
    scores: xr.DataArray = xr.concat(kept, "target", combine_attrs="override")
    return scores.transpose("model", "target")


def _ceiling(work: Work, found: Found) -> xr.Dataset | None:
    first = work.models[0]  # the ceiling is the responses': alike for all models
    limits = [found[first, area].ceiling for area in work.areas]
    there = [limit for limit in limits if limit is not None]
    return xr.concat(there, "target", combine_attrs="override") if there else None


def _regions(work: Work, found: Found) -> xr.DataArray | None:
    if not work.has_areas:
        return None
    first = work.models[0]
    targets = {area: found[first, area].scores.coords["target"].values for area in work.areas}
    of_each = np.repeat(list(targets), [names.size for names in targets.values()])
    return xr.DataArray(
        [of_each == area for area in targets],
        dims=("group", "target"),
        coords={"group": list(targets), "target": np.concatenate(list(targets.values()))},
    )


def _tables(work: Work, found: Found) -> dict[str, pd.DataFrame]:
    layers, training = [], []
    for (model, area), result in found.items():
        if "layers" in result.tables:
            table = result.tables["layers"].astype({"chosen": bool})
            of = {"area": area} if work.has_areas else {}
            columns = ["model", *of, "layer", "score", "chosen"]
            layers.append(table.assign(**of)[columns])
        if "training" in result.tables and area == next(iter(work.areas)):
            table = result.tables["training"]
            flags = {"kept": bool} if "kept" in table else {}
            training.append(table.astype(flags).assign(model=model))
    parts = {"layers": layers, "training": training}
    return {name: pd.concat(of, ignore_index=True) for name, of in parts.items() if of}


def _table(work: Work, result: Result) -> pd.DataFrame:
    """Return one row per model, area and what else is kept apart, with the chosen layer."""
    by = list(work.content["score"]["by"])
    rows = result.table(by)
    rows = rows[rows["group"].isin(work.areas)].rename(columns={"group": "area"})
    first = ["model", *(["area"] if work.has_areas else []), *by]
    columns = [*first, *(name for name in rows if name not in {*first, "area"})]
    if "layers" in result.tables:
        chosen = result.tables["layers"].query("chosen")
        keys = first[: 1 + work.has_areas]
        if not chosen.duplicated(keys).any():  # one layer for all targets of an area
            rows = rows.merge(chosen[[*keys, "layer"]], on=keys, how="left")
            columns += ["layer"]
    return rows[columns].reset_index(drop=True)


def _decisions(work: Work, found: Found) -> Iterator[Decision]:
    areas, models = list(work.areas), work.models
    named = ", ".join(areas) if work.has_areas else "none: all targets"
    yield Decision("regions", named, "written in the experiment file")
    for model in models:
        of_areas = {area: found[model, area].decisions for area in areas}
        for area, decisions in of_areas.items():
            for decision in decisions:
                if decision.what == "regions" or decision.role == "divisor":
                    continue
                everywhere = all(decision in others for others in of_areas.values())
                if everywhere and area != areas[0]:
                    continue
                of = [model] * (len(models) > 1) + [area] * (not everywhere)
                what = decision.what + (f" ({', '.join(of)})" if of else "")
                yield replace(decision, what=what)
    first = found[models[0], areas[0]].decisions
    yield from (decision for decision in first if decision.role == "divisor")


def _provenance(work: Work, found: Found) -> dict[str, Any]:
    area = next(iter(work.areas))
    firsts = {model: found[model, area].provenance for model in work.models}
    one = next(iter(firsts.values()))
    return {
        "fit": one["fit"],
        "test": one["test"],
        "models": {model: of["models"][model] for model, of in firsts.items()},
        "seed": work.content["seed"],
        "study": work.study.describe(),
        "experiment": work.content,
        "versions": environment(),
    }
