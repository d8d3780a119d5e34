"""Scores of a fitted model on a study, and their means by participant."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.data import Study
from encodekit.scoring._correlation import correlation


def score_on(fitted: Any, test: Study) -> xr.DataArray:
    """Return r per target of a fitted model on a study, at the targets that it predicts."""
    predicted = fitted.predict(test.stimuli)
    people = dict.fromkeys(predicted.coords["participant"].values.tolist())
    true = test.responses(participants=list(people))
    wanted = predicted.coords["target"].values
    scores: xr.DataArray = correlation([run.sel(target=wanted) for run in true], predicted)
    return scores


def by_participant(scores: Any) -> dict[str, float]:
    """Return a mean score for each participant; ``""`` where a number stands for all."""
    if isinstance(scores, xr.DataArray):
        return _mean_of_each(scores)
    if isinstance(scores, Mapping | pd.Series):
        return {str(who): float(score) for who, score in scores.items()}
    return {"": float(scores)}


def _mean_of_each(scores: xr.DataArray) -> dict[str, float]:
    people = scores.coords["participant"].values
    means = {}
    for who in dict.fromkeys(people.tolist()):
        mine = scores.isel(target=np.flatnonzero(people == who))
        if {"raw", "ceiling_squared"} <= set(scores.coords):
            raw, squared = (mine.coords[k].values for k in ("raw", "ceiling_squared"))
            defined = np.isfinite(raw + squared)
            mean = squared[defined].mean() if defined.any() else 0.0
            means[who] = float(raw[defined].mean() / np.sqrt(mean)) if mean > 0 else np.nan
        else:
            means[who] = float(mine.mean())
    return means
