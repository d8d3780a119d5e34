"""What each feature space explains alone, and what several share."""

from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats
from sklearn.pipeline import Pipeline

from encodekit.core import progress, unknown_name
from encodekit.data import concat_runs, one_array, split_runs
from encodekit.linear._criteria import CRITERIA
from encodekit.linear._cross_val import out_of_fold
from encodekit.scoring._blocks import (
    Blocks,
    half_width,
    make_blocks,
    standard_error,
    warn_of_few_blocks,
)
from encodekit.scoring._correlation import pair
from encodekit.scoring._doubts import BOTH_WAYS, refuse_disorder
from encodekit.scoring._explained import EXPLAINED, Explained
from encodekit.scoring._groups import Groups, in_areas, make_groups
from encodekit.scoring._p_values import adjust

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
    metric: str | None = None,
    by: str | Iterable[str] | None = None,
    cv: Any = None,
    groups: Any = None,
    purge: str | float = "0s",
) -> xr.Dataset:
    """Explained variance of feature spaces: unique to each, and shared by each set of them.

    ``V(A) = sum of the parts that touch A``, for every set A of spaces, so that the unique part of
    a space is ``V(all) - V(all but it)``, and two spaces share ``V(a) + V(b) - V(a and b)``.
    Explained variance is out of fold, and of the kind by which the estimator chooses: a model whose
    alpha maximises r may have a lower R2 with a space than without, whatever the space knows.

    - ``metric="correlation"``, for ``scoring="correlation"``: ``V = r |r|``, with r of
      `encodekit.correlation`.
    - ``metric="r2"``, for ``scoring="r2_pooled"`` or ``"r2_folds"``: R2 against the training mean
      of each fold.

    The parts are signed, since a space that only adds noise costs, and never clipped.

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
    metric : {"correlation", "r2"}, optional
        What follows from the estimator's ``scoring``; another is refused. R2 where it has none.
    by : str or sequence of str, optional
        Coordinates of the targets, as in `encodekit.permutation_test`: means over the targets that
        share them. Each target by itself if not given.
    cv, groups, purge
        As in `encodekit.cross_val_predict`: stimuli are left out.

    Returns
    -------
    Dataset over target, or over group with the coordinates ``by``
        ``explained`` (subset, target): V; ``unique`` (space, target); ``shared`` (target): what is
        not unique to any space; ``beyond_nuisance`` (target): ``V(all) - V(nuisance)``, with
        ``nuisance``; ``parts`` (part, target), with ``full``: what is shared by just these spaces,
        named as in ``"mel & speech"``. Each with ``_low`` and ``_high``, a 95 % interval over
        stimulus: a t interval from a jackknife over blocks of about 20 TRs, sqrt(2) times as wide,
        since runs predict each other out of fold. ``unique_p``, ``beyond_nuisance_p``: one-sided p
        over stimulus, whether they are above 0, and ``_q`` (Benjamini-Hochberg over targets).

    Raises
    ------
    ValueError
        If the features have no bands, there are fewer than two spaces, ``nuisance`` names no band,
        there are more than five spaces for ``full``, or the estimator chooses by another kind of
        score than ``metric``, or by one that is not known.

    Warns
    -----
    UserWarning
        If there are fewer than three blocks, and so neither intervals nor p.

    References
    ----------
    de Heer, Huth, Griffiths, Gallant, Theunissen (2017), Journal of Neuroscience 37:6539-6557.

    Examples
    --------
    >>> import encodekit as ek
    >>> parts = ek.variance_partition(ek.RidgeCV(), features, study.responses(), by="region",
    ...                               nuisance=["mel", "word_rate"])  # doctest: +SKIP
    >>> parts.unique.sel(space="speech"), parts.unique_p.sel(space="speech")  # doctest: +SKIP
    """
    metric = _metric(estimator, metric)
    features = X if isinstance(X, xr.DataArray) else concat_runs(X)
    controlled = [nuisance] if isinstance(nuisance, str) else list(nuisance)
    space_of = _spaces(features, controlled)
    spaces = list(dict.fromkeys(space_of.tolist()))
    subsets = _subsets(spaces, full)
    responses = split_runs(one_array(y, "y"))
    for run in responses:
        refuse_disorder(run, "variance_partition")
    found: dict[Subset, Explained] = {}
    with progress("partitioning variance", float(len(subsets))) as tick:
        for subset in subsets:
            some = features.isel(feature=np.isin(space_of, list(subset)))
            truth, guess = _out_of_fold(estimator, some, responses, metric, cv, groups, purge)
            truth, guess = in_areas(by, truth, guess)
            named, blocks = make_groups(truth, by), make_blocks(truth)
            found[subset] = EXPLAINED[metric](truth, guess, named, blocks)
            tick(1.0)
    return _dataset(found, spaces, full, named, blocks, metric)


def _metric(estimator: Any, given: str | None) -> str:
    """Return the metric of what the estimator chooses by."""
    if given is not None and given not in EXPLAINED:
        raise ValueError(f"variance_partition: {unknown_name('metric', given, EXPLAINED)}")
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    scoring = getattr(last, "scoring", None)
    if scoring is None:
        return given or "r2"
    if scoring not in CRITERIA:
        if given is not None:
            return given
        raise ValueError(
            f"variance_partition: {type(last).__name__} chooses by scoring={scoring!r}, which is "
            "not known here: pass metric='correlation' if that is a correlation, or metric='r2'"
        )
    own = "correlation" if CRITERIA[scoring].correlates else "r2"
    if given not in (None, own):
        other = "correlation" if given == "correlation" else "r2_pooled"
        raise ValueError(
            f"variance_partition: metric={given!r}, but {type(last).__name__} chooses by "
            f"scoring={scoring!r}: what one kind of score chose is not best by the other, and "
            f"spaces would differ by that. Leave metric out, or pass scoring={other!r} to it"
        )
    return own


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
    if _NUISANCE in known:
        raise ValueError(
            f"variance_partition: X has a band named {_NUISANCE!r}, which is the name of what "
            "nuisance= controls for: give it another name"
        )
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


def _out_of_fold(
    estimator: Any,
    features: xr.DataArray,
    responses: Sequence[xr.DataArray],
    metric: str,
    cv: Any,
    groups: Any,
    purge: str | float,
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return responses and predictions of the held-out runs, with the same rows and targets."""
    by_name = {run.coords["run"].values[0]: run for run in responses}
    true, predicted = [], []
    for run in out_of_fold(estimator, features, responses, cv=cv, groups=groups, purge=purge):
        # For R2, less the mean of the training responses of its own fold: runs of all folds are
        # then measured against 0.
        mean = run.coords["training_mean"].values if metric == "r2" else 0
        true.append(by_name[run.coords["run"].values[0]] - mean)
        predicted.append((run - mean).drop_vars("training_mean", errors="ignore"))
    return pair(true, predicted, None, "variance_partition")


def _dataset(
    found: dict[Subset, Explained],
    spaces: Sequence[str],
    full: bool,
    groups: Groups,
    blocks: Blocks,
    metric: str,
) -> xr.Dataset:
    everything = frozenset(spaces)
    total = found[everything]
    warn_of_few_blocks(total.influence, "variance_partition")
    unique = {space: total - found[everything - {space}] for space in spaces}
    shared = total
    for part in unique.values():
        shared = shared - part
    tables = {
        "explained": ("subset", {_name(subset, spaces): one for subset, one in found.items()}),
        "unique": ("space", unique),
        "shared": (None, {"": shared}),
    }
    if _NUISANCE in spaces:
        beyond = total - found[frozenset([_NUISANCE])]
        tables["beyond_nuisance"] = (None, {"": beyond})
    if full:
        parts = {_name(subset, spaces): _part(subset, found, everything) for subset in found}
        tables["parts"] = ("part", parts)
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = dict(groups.coords)
    for name, (dim, of) in tables.items():
        if dim is not None:
            coords[dim] = list(of)
        for ending, values in _limits(list(of.values()), blocks, tested=name in _TESTED).items():
            dims = (groups.dim,) if dim is None else (dim, groups.dim)
            variables[name + ending] = (dims, values[0] if dim is None else values)
    return xr.Dataset(variables, coords, {"metric": metric, "over": "stimulus"})


_TESTED = ("unique", "beyond_nuisance")


def _limits(parts: Sequence[Explained], blocks: Blocks, *, tested: bool) -> dict[str, Any]:
    """Return values (part, target) with interval, p and q over stimulus, by their endings."""
    errors = [
        (BOTH_WAYS * error, freedom)
        for error, freedom in (standard_error(part.influence, blocks) for part in parts)
    ]
    values = np.stack([part.values for part in parts])
    half = np.stack([half_width(*error) for error in errors])
    found = {"": values, "_low": values - half, "_high": values + half}
    if tested:
        with np.errstate(divide="ignore", invalid="ignore"):
            p = [
                stats.t.sf(v / se, freedom) for v, (se, freedom) in zip(values, errors, strict=True)
            ]
        found |= {"_p": np.stack(p), "_q": np.stack([adjust(row) for row in p])}
    return found


def _part(subset: Subset, found: dict[Subset, Explained], everything: Subset) -> Explained:
    """``sum_T (-1)^(|S| - |T|) (V(all) - V(all but T))`` over the sets T within S."""
    # V(all) - V(all but T) is the sum of the parts within T, since all others touch what is
    # left; Möbius inversion gives the part of S itself.
    nothing = Explained(*(np.zeros_like(side) for side in found[everything]))
    part = nothing
    for n in range(1, len(subset) + 1):
        for some in combinations(subset, n):
            rest = everything - set(some)
            inside = found[everything] - (found[rest] if rest else nothing)
            part = part - inside if (len(subset) - n) % 2 else part + inside
    return part


def _name(subset: Subset, spaces: Sequence[str]) -> str:
    return " & ".join(space for space in spaces if space in subset)
