"""Targets chosen by their keys; and how a choice of targets is written as JSON."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from encodekit.data import by_stimulus
from encodekit_brain_tuning.targets._align import (
    SharedTargets,
    align,
    run_list,
    run_name,
    select_targets,
    target_keys,
)


class KeySelector(TransformerMixin, BaseEstimator):
    """Keep the targets of responses whose keys (``left/00123``) are listed.

    What a saved model's region selector becomes if no plugin registers its class.

    Parameters
    ----------
    keys : sequence of str
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys

    def fit(self, responses: Any = None, y: Any = None) -> Self:
        """Return self."""
        return self

    def transform(self, responses: xr.DataArray) -> xr.DataArray:
        """Return the targets with the listed keys, in their old order."""
        kept = [key in set(self.keys) for _, key in target_keys(responses)]
        return responses.isel(target=np.flatnonzero(kept))


class AgreementSelector(TransformerMixin, BaseEstimator):
    """Keep the targets on which people agree: r of each with the mean of the others, over TRs.

    Learnt from the tuning runs alone: `BrainTunedFeatures` fits it on them and takes the same
    targets in validation. r is taken within runs, weighted by their TRs, and averaged over people.

    Parameters
    ----------
    top : float
        Share of the targets to keep, those of the highest agreement.
    selector : region selector, optional
        Which targets to choose among.

    Attributes
    ----------
    agreement_ : dict of str to float
        Of every key (``left/00123``); NaN for one that fewer than two people have.
    keys_ : tuple of str
        What is kept.
    """

    def __init__(self, top: float = 0.5, selector: Any = None) -> None:
        self.top = top
        self.selector = selector

    def fit(self, responses: Any, y: Any = None) -> Self:
        """Measure the agreement over runs (time, target) of two participants or more."""
        if not 0 < self.top <= 1:
            raise ValueError(f"top={self.top}: expected a share of the targets above 0, up to 1")
        runs = by_stimulus(select_targets(run_list(responses), self.selector))
        n_trs = {run_name(run): int(run.coords["tr"].values.max()) + 1 for run in runs}
        shared = align(runs, n_trs, z_score=True)
        if len(shared.participants) < 2:
            raise ValueError(
                f"agreement needs two people or more, got {', '.join(shared.participants)}: "
                "select their targets by region"
            )
        found = agreement(shared)
        self.agreement_ = dict(zip(shared.keys, found.tolist(), strict=True))
        known = [key for key in shared.keys if np.isfinite(self.agreement_[key])]
        n_kept = max(1, round(self.top * len(known)))
        best = sorted(known, key=lambda key: -self.agreement_[key])[:n_kept]
        self.keys_ = tuple(key for key in shared.keys if key in set(best))
        return self

    def transform(self, responses: xr.DataArray) -> xr.DataArray:
        """Return the targets that were kept, in their old order."""
        check_is_fitted(self, "keys_")
        return KeySelector(self.keys_).transform(responses)


def agreement(shared: SharedTargets) -> NDArray[np.float64]:
    """Return, per target, r with the mean of the others: over TRs, runs, then people."""
    total = np.zeros((2, len(shared.participants), shared.n_slots))
    for run in shared.runs.values():
        there = run.weights > 0
        others = np.where(there, run.values, 0).sum(0) - np.where(there, run.values, 0)
        n_others = there.sum(0) - there
        both = there & (n_others > 0)
        mean = others / np.maximum(n_others, 1)
        r, n = _r_where(run.values, mean, both), both.sum(axis=1)
        total += np.where(np.isfinite(r), [n * np.nan_to_num(r), n], 0)
    sums, counts = total
    each = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    known = np.isfinite(each).sum(axis=0)
    return np.where(known > 0, np.nansum(each, axis=0) / np.maximum(known, 1), np.nan)


def fitted_selector(targets: Any, responses: Any) -> Any:
    """Return a selector as it is after ``fit`` on the tuning runs; names, as they are."""
    if not (hasattr(targets, "fit") and hasattr(targets, "transform")):
        return targets
    return clone(targets, safe=False).fit(responses)


def has_learnt(selector: Any) -> bool:
    """Whether a fitted selector has learnt which targets to keep, so that others would differ."""
    fitted = [name for name in getattr(selector, "__dict__", {}) if name[-1] == "_" != name[0]]
    return bool(fitted)


def _r_where(
    x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], there: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return r over axis 1, over what is there; NaN where one does not vary."""
    n = np.maximum(there.sum(axis=1, keepdims=True), 1)
    x, y = (np.where(there, z - (z * there).sum(1, keepdims=True) / n, 0) for z in (x, y))
    size = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    r: NDArray[np.float64] = np.where(size > 1e-9, (x * y).sum(1) / np.where(size, size, 1), np.nan)
    return r


def saved_selector(targets: Any, keys: Sequence[str]) -> Any:
    """Return a choice of targets as it can be saved: a selector of no plugin by what it chose.

    Parameters
    ----------
    targets : None, str, list of str, or region selector
    keys : sequence of str
        What it kept.
    """
    if not hasattr(targets, "transform") or isinstance(targets, KeySelector):
        return targets
    from encodekit.plugins import known_names, load_spec

    parameters = targets.get_params(deep=False) if hasattr(targets, "get_params") else {}
    if all(_is_plain(value) for value in parameters.values()):
        for name in known_names("regions"):
            if load_spec("regions", name) is type(targets):
                return targets
    return KeySelector(list(keys))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
