"""What each feature space explains alone, and what several share."""

from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import progress, unknown_name
from encodekit.data import concat_runs, one_array, split_runs
from encodekit.linear._cross_val import out_of_fold
from encodekit.scoring import r2

_MOST = 5  # spaces whose every combination is fitted
_NUISANCE = "nuisance"

Subset = frozenset[str]


def variance_partition(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    nuisance: str | Iterable[str] = (),
    full: bool = True,
    cv: Any = None,
    groups: Any = None,
) -> xr.Dataset:
    """Explained variance of feature spaces: unique to each, and shared by each set of them.

    ``R2(A) = sum of the parts that touch A``, for every set A of spaces, so that the unique part of
    a space is ``R2(all) - R2(all but it)``, and two spaces share
    ``R2(a) + R2(b) - R2(a and b)``. R2 is out of fold, against the training mean of each fold; the
    parts are signed, since a space that only adds noise costs R2, and never clipped.

    Parameters
    ----------
    estimator : estimator
        From labelled features to responses, such as `encodekit.RidgeCV` or
        `encodekit.BandedRidgeCV`; fitted anew for each set of spaces.
    X : DataArray (time, feature) with ``band`` on feature, or a list of them by run
        `encodekit.FeatureSpaces` writes the bands.
    y : list of DataArray (one per run), or DataArray (time, target)
        Responses in the order of X.
    nuisance : str or sequence of str
        Bands that are controlled for, such as word rate and a mel spectrogram: they count as one
        space, ``"nuisance"``.
    full : bool
        Fit every set of spaces (2^k - 1 of them), or only all, all but one, and the nuisance (k + 1
        or k + 2); then there are no ``parts``.
    cv, groups
        As in `encodekit.cross_val_predict`: stimuli are left out.

    Returns
    -------
    Dataset over target
        ``r2`` (subset, target), ``unique`` (space, target), ``shared`` (target): what is not unique
        to any space; ``beyond_nuisance`` (target): ``R2(all) - R2(nuisance)``, with ``nuisance``;
        ``parts`` (part, target), with ``full``: what is shared by just these spaces, named as in
        ``"mel & speech"``.

    Raises
    ------
    ValueError
        If the features have no bands, there are fewer than two spaces, ``nuisance`` names no band,
        or there are more than five spaces for ``full``.

    References
    ----------
    de Heer, Huth, Griffiths, Gallant, Theunissen (2017), Journal of Neuroscience 37:6539-6557.

    Examples
    --------
    >>> import encodekit as ek
    >>> parts = ek.variance_partition(ek.RidgeCV(), features, study.responses(),
    ...                               nuisance=["mel", "word_rate"])  # doctest: +SKIP
    >>> parts.unique.sel(space="speech")  # doctest: +SKIP
    """
    features = X if isinstance(X, xr.DataArray) else concat_runs(X)
    controlled = [nuisance] if isinstance(nuisance, str) else list(nuisance)
    space_of = _spaces(features, controlled)
    spaces = list(dict.fromkeys(space_of.tolist()))
    subsets = _subsets(spaces, full)
    responses = split_runs(one_array(y, "y"))
    scores: dict[Subset, xr.DataArray] = {}
    with progress("partitioning variance", float(len(subsets))) as tick:
        for subset in subsets:
            some = features.isel(feature=np.isin(space_of, list(subset)))
            scores[subset] = _r2(estimator, some, responses, cv, groups)
            tick(1.0)
    return _dataset(scores, spaces, full)


def _spaces(features: xr.DataArray, nuisance: Sequence[str]) -> NDArray[Any]:
    """Return the space of each feature: its band, or ``nuisance``."""
    if "band" not in features.coords:
        raise ValueError(
            "variance_partition: X has no coordinate band on feature: join the spaces by "
            "ek.FeatureSpaces([(name, extractor), ...])"
        )
    bands = features.coords["band"].values.astype(object)
    known = list(dict.fromkeys(bands.tolist()))
    for name in nuisance:
        if name not in known:
            raise ValueError(f"variance_partition: {unknown_name('band', name, known)}")
    bands[np.isin(bands.astype(str), nuisance)] = _NUISANCE
    left = list(dict.fromkeys(bands.tolist()))
    if len(left) < 2:
        raise ValueError(
            f"variance_partition: there is one space only ({left[0]!r}), and nothing to divide: X "
            f"has the bands {', '.join(known)}"
        )
    return np.asarray(bands, str)


def _subsets(spaces: Sequence[str], full: bool) -> list[Subset]:
    if full and len(spaces) > _MOST:
        raise ValueError(
            f"variance_partition: {len(spaces)} spaces have {2 ** len(spaces) - 1} combinations: "
            "pass full=False for what is unique to each, or count some as nuisance="
        )
    sizes = range(1, len(spaces) + 1) if full else (len(spaces) - 1, len(spaces))
    subsets = [
        frozenset(some) for some in chain.from_iterable(combinations(spaces, n) for n in sizes)
    ]
    control = frozenset([_NUISANCE])
    return subsets if control in subsets or _NUISANCE not in spaces else [control, *subsets]


def _r2(
    estimator: Any, features: xr.DataArray, responses: Sequence[xr.DataArray], cv: Any, groups: Any
) -> xr.DataArray:
    """Return R2 out of fold, each run against the mean of the fold's training responses."""
    by_name = {run.coords["run"].values[0]: run for run in responses}
    true, predicted = [], []
    for run in out_of_fold(estimator, features, responses, cv=cv, groups=groups):
        mean = run.coords["training_mean"].values
        response = by_name[run.coords["run"].values[0]]
        # Less the mean of its own fold, so that runs of all folds are measured against 0.
        true.append(response - mean)
        predicted.append((run - mean).drop_vars("training_mean"))
    scores: xr.DataArray = r2(true, predicted, mean=0)
    return scores


def _dataset(scores: dict[Subset, xr.DataArray], spaces: Sequence[str], full: bool) -> xr.Dataset:
    everything = frozenset(spaces)
    total = scores[everything]
    unique = {space: total - scores[everything - {space}] for space in spaces}
    found = {
        "r2": _stack({_name(subset, spaces): score for subset, score in scores.items()}, "subset"),
        "unique": _stack(unique, "space"),
        "shared": total - sum(unique.values()),
    }
    if _NUISANCE in spaces:
        found["beyond_nuisance"] = total - scores[frozenset([_NUISANCE])]
    if full:
        found["parts"] = _stack(
            {_name(subset, spaces): _part(subset, scores, everything) for subset in scores}, "part"
        )
    return xr.Dataset(found).drop_attrs(deep=False)


def _part(subset: Subset, scores: dict[Subset, xr.DataArray], everything: Subset) -> Any:
    """``sum_T (-1)^(|S| - |T|) (R2(all) - R2(all but T))`` over the sets T within S."""
    # R2(all) - R2(all but T) is the sum of the parts within T, since all others touch what is
    # left; Möbius inversion gives the part of S itself.
    part: Any = 0
    for n in range(1, len(subset) + 1):
        for some in combinations(subset, n):
            rest = everything - set(some)
            inside = scores[everything] - (scores[rest] if rest else 0)
            part = part + (-1) ** (len(subset) - n) * inside
    return part


def _stack(scores: dict[str, xr.DataArray], dim: str) -> xr.DataArray:
    return xr.concat(list(scores.values()), dim, coords="minimal", compat="override").assign_coords(
        {dim: list(scores)}
    )


def _name(subset: Subset, spaces: Sequence[str]) -> str:
    return " & ".join(space for space in spaces if space in subset)
