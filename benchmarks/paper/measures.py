"""What is measured of an arm's features, on people and stories that no tuning saw."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arms import HELD_OUT, Cohort
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import Stimulus, Study, concat_runs, split_runs

DELAYS, ALPHAS = (2.0, 4.0, 6.0, 8.0), tuple(np.logspace(1, 6, 6))
SIZES, SUBSETS = (3, 6, 12, 24), 5  # stories that fit a new person's ridge


def regressors(extractor: Any, stimuli: Sequence[Stimulus]) -> xr.DataArray:
    """Return all layers, delayed and z-scored within runs (time, feature)."""
    steps = make_pipeline(ek.Delayer(seconds=list(DELAYS)), ek.RunScaler())
    found: xr.DataArray = steps.fit_transform(extractor.transform(stimuli))
    return found


class HeldOutPeople:
    """People whom no tuning saw, and what they heard; their fMRI is read once for all arms.

    Parameters
    ----------
    fit, test : Study
        What finds layer, ridge and penalties, and what is scored.
    areas : dict
        Selectors by name, each scored apart.
    people : sequence of str
    """

    def __init__(
        self, fit: Study, test: Study, areas: Mapping[str, Any], people: Sequence[str] = HELD_OUT
    ) -> None:
        self._heard = fit.stimuli, test.stimuli
        asked = {area: {"participants": list(people), "regions": of} for area, of in areas.items()}
        self._ceilings = {area: ek.noise_ceiling(test.repeats(**of)) for area, of in asked.items()}
        self._true = {area: concat_runs(test.responses(**of)) for area, of in asked.items()}
        # One fit serves all areas: each target has a ridge of its own.
        self._y = xr.concat([concat_runs(fit.responses(**of)) for of in asked.values()], "target")
        ends = np.cumsum([true.sizes["target"] for true in self._true.values()])
        self._places = {
            area: slice(int(end) - true.sizes["target"], int(end))
            for end, (area, true) in zip(ends, self._true.items(), strict=True)
        }

    def score(self, extractor: Any) -> dict[str, dict[str, Any]]:
        """Return, per area, ``score`` and ``raw`` of the chosen layer, ``last`` and ``layers``.

        The layer is that of the highest mean r by cross-validation at the best penalty that all
        targets of the area share: each target's own best penalty is chosen by the same r, which
        then says too much. ``last`` is the score of the last layer, which tuning reads, and
        ``layers`` has the scores of all. A score is the mean over people of the mean r over targets
        divided by the root mean squared ceiling; raw is the mean r.
        """
        x_fit, x_test = (regressors(extractor, stimuli) for stimuli in self._heard)
        found: dict[str, dict[int, tuple[float, float, float]]] = {area: {} for area in self._true}
        for layer in np.unique(x_fit["layer"]).tolist():
            some = {"feature": np.flatnonzero(x_fit["layer"].values == layer)}
            # A mean over targets needs every penalty of every target, also those that lose.
            model = ek.RidgeCV(alphas=ALPHAS, exhaustive=True).fit(x_fit.isel(some), self._y)
            guess = model.predict(x_test.isel(some))
            for area, true in self._true.items():
                place = {"target": self._places[area]}
                r = ek.correlation(true, guess.isel(place))
                found[area][layer] = (
                    best_in_common(model.cv_scores_.isel(place)),
                    mean_over_people(ek.normalise(r, self._ceilings[area])),
                    mean_over_people(r),
                )
        return {area: _of_the_best(layers) for area, layers in found.items()}


def _of_the_best(layers: dict[int, tuple[float, float, float]]) -> dict[str, Any]:
    """Return what is said of layers' (inner score, score, raw)."""
    chosen = max(layers, key=lambda layer: layers[layer][0])
    return {
        "score": layers[chosen][1],
        "raw": layers[chosen][2],
        "layer": chosen,
        "last": layers[max(layers)][1],
        "layers": [round(layers[layer][1], 5) for layer in sorted(layers)],
    }


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
        for x in (regressors(extractor, part.stimuli) for part in (parts.fit, parts.test))
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
