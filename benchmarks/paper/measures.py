"""What is measured of an arm's features, on people and stories that no tuning saw."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arms import HELD_OUT, Cohort
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import Study, split_runs

DELAYS, ALPHAS = (2.0, 4.0, 6.0, 8.0), tuple(np.logspace(1, 6, 6))
SIZES, SUBSETS = (3, 6, 12, 24), 5  # stories that fit a new person's ridge


def regressors(extractor: Any, study: Study) -> xr.DataArray:
    """Return all layers, delayed and z-scored within runs (time, feature)."""
    steps = make_pipeline(ek.Delayer(seconds=list(DELAYS)), ek.RunScaler())
    found: xr.DataArray = steps.fit_transform(extractor.transform(study.stimuli))
    return found


def held_out_score(
    extractor: Any, fit: Study, test: Study, areas: Any, people: Sequence[str] = HELD_OUT
) -> dict[str, dict[str, Any]]:
    """Return, per area, ``score`` and ``raw`` of the chosen layer, ``last`` and ``layers``.

    The layer, the ridge and its penalties are found on ``fit``. The layer is that of the highest
    mean r by cross-validation at the best penalty that all targets share: each target's own best
    penalty is chosen by the same r, which then says too much. ``last`` is the score of the last
    layer, which tuning reads, and ``layers`` has the scores of all. A score is the mean over people
    of the mean r over targets divided by the root mean squared ceiling; raw is the mean r.
    """
    x_fit, x_test = regressors(extractor, fit), regressors(extractor, test)
    found: dict[str, dict[str, Any]] = {}
    for area, regions in areas.items():
        asked = {"participants": list(people), "regions": regions}
        y, true = fit.responses(**asked), test.responses(**asked)
        ceiling = ek.noise_ceiling(test.repeats(**asked))
        r, inner = {}, {}
        for layer in np.unique(x_fit["layer"]):
            some = {"feature": np.flatnonzero(x_fit["layer"].values == layer)}
            # A mean over targets needs every penalty of every target, also those that lose.
            model = ek.RidgeCV(alphas=ALPHAS, exhaustive=True).fit(x_fit.isel(some), y)
            r[int(layer)] = ek.correlation(true, model.predict(x_test.isel(some)))
            inner[int(layer)] = best_in_common(model.cv_scores_)
        scores = {layer: mean_over_people(ek.normalise(r[layer], ceiling)) for layer in r}
        chosen = max(inner, key=lambda layer: inner[layer])
        found[area] = {
            "score": scores[chosen],
            "raw": mean_over_people(r[chosen]),
            "layer": chosen,
            "last": scores[max(scores)],
            "layers": [round(scores[layer], 5) for layer in sorted(scores)],
        }
    return found


def best_in_common(scores: xr.DataArray) -> float:
    """Return the highest mean over targets of scores (alpha, target).

    Raises
    ------
    ValueError
        If an alpha was tried for some targets only: for those that did well at it.
    """
    tried = scores.notnull()
    if (tried.any("target") & ~tried.all("target")).any():
        raise ValueError("an alpha was tried for some targets only: fit with exhaustive=True")
    return float(scores.mean("target").max())


def mean_over_people(scores: Any) -> float:
    """Return the mean over people of their means over targets."""
    return float(ek.by_region(scores, by="participant")["score"].mean())


def curve(extractor: Any, cohort: Cohort, people: Sequence[str]) -> pd.DataFrame:
    """Return `encodekit.learning_curve` over the stories that fit each person's own ridge.

    Of the last layer; penalties are chosen on the stories of the subset.
    """
    parts = cohort.parts
    asked = {"participants": list(people), "regions": cohort.world.areas["language"]}
    x_fit, x_test = (
        x.isel(feature=np.flatnonzero(x["layer"].values == x["layer"].values.max()))
        for x in (regressors(extractor, part) for part in (parts.fit, parts.test))
    )
    true = parts.test.responses(**asked)
    ceiling = ek.noise_ceiling(parts.test.repeats(**asked))

    def score(fitted: Any) -> Any:
        return ek.normalise(ek.correlation(true, fitted.predict(x_test)), ceiling)

    return ek.learning_curve(
        ek.RidgeCV(alphas=ALPHAS), split_runs(x_fit), parts.fit.responses(**asked), evaluate=score,
        sizes=SIZES, n_subsets=SUBSETS, random_state=cohort.seed,
    )  # fmt: skip


def validation(extractor: Any) -> dict[str, Any]:
    """Return the gain of r on the validation runs at the last step, and whether a gate passes it.

    The gate: r rises by more than two standard errors (a jackknife over quarters of the runs).
    """
    history = getattr(extractor, "history_", None)
    if history is None or not np.isfinite(history["gain"].iloc[-1]):
        return {}
    gain, error = float(history["gain"].iloc[-1]), float(history["gain_se"].iloc[-1])
    return {"gain": gain, "gain_se": error, "passed": bool(gain > 2 * error)}
