"""Drifts, motion and censored TRs taken out of responses, run by run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils.validation import validate_data

from encodekit.core import unknown_name
from encodekit.data import as_floats
from encodekit.features._containers import LabelledOrArray, is_labelled_rows
from encodekit.features._runs import Run, runs_of, runs_of_array

Floats = NDArray[np.floating[Any]]
DEFAULT_HIGH_PASS = 1 / 128  # Hz


class ConfoundRemover(LabelledOrArray, OneToOneFeatureMixin, BaseEstimator):
    """Residuals of each run after least squares on cosine drifts and confounds; its mean stays.

    The drifts of a run of n TRs are ``cos(pi k (t + 1/2) / n)``, k = 1 .. n_cosines, t counted
    in TRs: with ``high_pass``, as many as lie below it, ``floor(2 n high_pass t_r)``
    (SPM's and nilearn's basis). Censored TRs take no part in the fit and become NaN. Nothing
    crosses the border of a run, and each run is filtered at its own TR.

    Parameters
    ----------
    n_cosines : int, optional
        Number of cosines per run; 0 for none. Either this or ``high_pass``.
    high_pass : float, optional
        Hz. Without either, 1/128.

    Examples
    --------
    >>> import numpy as np
    >>> drift = np.linspace(0, 1, 50)[:, None]
    >>> clean = ConfoundRemover(n_cosines=3).fit_transform(np.sin(np.arange(50.0))[:, None] + drift)
    >>> bool(np.abs(np.corrcoef(clean[:, 0], drift[:, 0])[0, 1]) < 0.05)
    True
    """

    def __init__(self, n_cosines: int | None = None, high_pass: float | None = None) -> None:
        self.n_cosines = n_cosines
        self.high_pass = high_pass

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Return self: every run is fitted by itself."""
        if X is not None and not is_labelled_rows(X):
            validate_data(self, X, reset=True, skip_check_array=True)  # the columns' names
        return self

    def transform(
        self,
        X: Any,
        confounds: Any = None,
        sample_mask: Any = None,
        runs: ArrayLike | None = None,
        t_r: float | None = None,
    ) -> Any:
        """Return the cleaned responses in the shape of ``X``.

        Parameters
        ----------
        X : DataArray (..., time, target), list of them, or array (n_rows, n_targets)
        confounds : array or DataFrame (n_rows, n_confounds), or mapping run -> such, optional
            Of the rows of X (of all of them, or per run). A list of X needs a mapping.
        sample_mask : bool array (n_rows,), True where kept, or mapping run -> such, optional
        runs : sequence (n_rows,), optional
            For arrays: the run of each row.
        t_r : float, optional
            For arrays with ``high_pass``: s.

        Raises
        ------
        ValueError
            If lengths differ, a confound is NaN where its TR is kept, or nothing is left to fit.
        """
        if isinstance(X, list) and is_labelled_rows(X):
            known = [run.name for item in X for run in runs_of(item)]
            _check_mappings(known, len(X), confounds=confounds, sample_mask=sample_mask)
            return type(X)(self._clean(item, confounds, sample_mask) for item in X)
        if isinstance(X, xr.DataArray):
            known = [run.name for run in runs_of(X)]
            _check_mappings(known, 1, confounds=confounds, sample_mask=sample_mask)
            return self._clean(X, confounds, sample_mask)
        values = np.asarray(X)
        if values.ndim != 2:
            raise ValueError(f"X has shape {values.shape}, expected (n_rows, n_targets)")
        found = runs_of_array(values.shape[0], runs)
        _check_mappings([r.name for r in found], 1, confounds=confounds, sample_mask=sample_mask)
        found = [replace(run, t_r=t_r) for run in found]
        return self._cleaned(values, found, confounds, sample_mask)

    def _clean(self, X: xr.DataArray, confounds: Any, sample_mask: Any) -> xr.DataArray:
        first = X.transpose("time", ...)
        values = first.values
        flat = values.reshape(values.shape[0], -1)
        clean = self._cleaned(flat, runs_of(X), confounds, sample_mask)
        return first.copy(data=clean.reshape(values.shape)).transpose(*X.dims)

    def _cleaned(self, values: Floats, runs: list[Run], confounds: Any, mask: Any) -> Floats:
        values = as_floats(values, "ConfoundRemover")
        out = np.full_like(values, np.nan)
        n_rows = values.shape[0]
        for run in runs:
            kept = _of_run(mask, run, n_rows, "sample_mask")
            kept = np.ones(run.rows.size, dtype=bool) if kept is None else _as_mask(kept, run)
            design = [np.ones((run.rows.size, 1)), self._drifts(run)]
            given = _of_run(confounds, run, n_rows, "confounds")
            if given is not None:
                design.append(_standard(np.asarray(given, dtype=np.float64), run, kept))
            rows = run.rows[kept]
            out[rows] = residuals(values[rows], np.hstack(design)[kept], run.name)
        return out

    def _drifts(self, run: Run) -> Floats:
        n = int(run.tr.max() - run.tr.min()) + 1
        orders = np.arange(1, self._n_cosines(n, run.t_r) + 1)
        if orders.size >= n:
            raise ValueError(f"run {run.name!r} has {n} TRs but {orders.size} cosines were asked "
                             "for: use fewer")  # fmt: skip
        return np.cos(np.pi / n * np.outer(run.tr - run.tr.min() + 0.5, orders))

    def _n_cosines(self, n: int, t_r: float | None) -> int:
        if self.n_cosines is not None and self.high_pass is not None:
            raise ValueError("ConfoundRemover got n_cosines= and high_pass=: give one of them")
        if self.n_cosines is not None:
            if not self.n_cosines >= 0:
                raise ValueError(f"n_cosines is {self.n_cosines}, expected 0 or more")
            return int(self.n_cosines)
        high_pass = DEFAULT_HIGH_PASS if self.high_pass is None else self.high_pass
        if not high_pass >= 0:
            raise ValueError(f"high_pass is {high_pass}, expected 0 Hz or more")
        if t_r is None:
            raise ValueError("an array does not say how long a TR is: pass t_r=, or use "
                             "ConfoundRemover(n_cosines=...)")  # fmt: skip
        return int(np.floor(2 * n * high_pass * t_r))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.allow_nan = True
        return tags


def residuals(values: Floats, design: Floats, run: str = "") -> Floats:
    """Return values (row, target) less their least-squares fit, plus their mean.

    The first column of ``design`` is the constant. Rows that are NaN in a target take no part in
    that target's fit and stay NaN.
    """
    out = np.full_like(values, np.nan)
    known = np.isfinite(values)
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for i in range(patterns.shape[1]):
        rows, targets = np.flatnonzero(patterns[:, i]), np.flatnonzero(which.ravel() == i)
        if rows.size == 0:
            continue
        basis = _orthonormal(design[rows])
        if basis.shape[1] >= rows.size:
            raise ValueError(
                f"run {run!r} has {rows.size} TRs left but {basis.shape[1]} drifts and confounds: "
                "nothing would remain; use fewer"
            )
        block = values[np.ix_(rows, targets)].astype(np.float64)
        mean = block.mean(axis=0)
        clean = block - basis @ (basis.T @ block) + mean
        out[np.ix_(rows, targets)] = clean
    return out


def _orthonormal(design: Floats) -> Floats:
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    rank = sizes > sizes[0] * max(design.shape) * np.finfo(np.float64).eps
    basis: Floats = left[:, rank]
    return basis


def _standard(confounds: Floats, run: Run, kept: NDArray[np.bool_]) -> Floats:
    """Return confounds of comparable size, those that are constant left out."""
    if confounds.ndim == 1:
        confounds = confounds[:, None]
    bad = np.flatnonzero(~np.isfinite(confounds[kept]).all(axis=0))
    if bad.size:
        raise ValueError(
            f"run {run.name!r}: confound {bad[0]} is NaN at a TR that is kept (in all "
            f"{bad.size} of them; fMRIPrep's derivatives are at TR 0): fill it, or censor the TR"
        )
    centred = confounds - confounds[kept].mean(axis=0)
    sizes = np.abs(centred[kept]).max(axis=0)
    moving = sizes > 1e-12 * np.abs(confounds[kept]).max(axis=0)
    scaled: Floats = centred[:, moving] / sizes[moving]
    return np.nan_to_num(scaled)


def _check_mappings(known: list[str], n_items: int, **given: Any) -> None:
    for name, item in given.items():
        if isinstance(item, Mapping):
            for run in known:
                if run not in item:
                    raise ValueError(
                        f"{name}: {unknown_name('run', run, item)} (give None for a run without)"
                    )
        elif item is not None and n_items > 1:
            raise ValueError(
                f"{name} is a {type(item).__name__} but X is a list of runs: pass a mapping "
                "run -> values"
            )


def _of_run(given: Any, run: Run, n_rows: int, name: str) -> Any:
    """Return what is given for the rows of one run, or None."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        part = given.get(run.name)
        expected, whole = run.rows.size, False
    else:
        part, expected, whole = given, n_rows, True
    if part is None:
        return None
    part = part.to_numpy() if isinstance(part, pd.DataFrame | pd.Series) else np.asarray(part)
    if part.shape[:1] != (expected,):
        raise ValueError(
            f"run {run.name!r}: {name} has shape {part.shape} but there are {expected} rows (TRs): "
            "give one row for each"
        )
    return part[run.rows] if whole else part


def _as_mask(kept: NDArray[Any], run: Run) -> NDArray[np.bool_]:
    if kept.dtype != bool:
        raise ValueError(
            f"run {run.name!r}: sample_mask has dtype {kept.dtype}, expected bool with True where "
            "a TR is kept"
        )
    if not kept.any():
        raise ValueError(f"run {run.name!r}: sample_mask keeps no TR: leave the run out")
    return kept
