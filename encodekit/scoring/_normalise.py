"""Scores over the noise ceiling."""

from typing import Any

import numpy as np
import xarray as xr

from encodekit.data import check_same_targets

_BESIDE = ("ceiling", "ceiling_squared", "ceiling_low", "ceiling_high", "signal_share")
_PIECES = "ceiling_squared_pieces"


def normalise(scores: Any, ceiling: Any) -> Any:
    """``r / ceiling`` per target, never clipped, with the raw score and the ceiling beside it.

    Parameters
    ----------
    scores : DataArray (target)
        Of `encodekit.correlation`, with the coordinate ``n_repeats`` of the responses.
    ceiling : Dataset
        Of `encodekit.noise_ceiling`, for the same targets in the same order, and for the mean of
        as many repeats as the responses that were scored. At least one run must be in both: a
        ceiling of one test story may stand for scores over several. Two NumPy arrays are divided
        as they are.

    Returns
    -------
    DataArray (target) or array (target,)
        With coordinates ``raw``, ``ceiling`` and its interval (``ceiling_low``, ``ceiling_high``),
        ``ceiling_squared`` and ``signal_share``. NaN where the ceiling is 0 or unknown. For a
        region take mean raw over the root of the mean ``ceiling_squared`` (`encodekit.by_region`),
        not the mean of ratios. Coordinates ``ceiling_squared_piece_0``, ``_1``, ... (at most 16)
        are the ceiling's ``ceiling_squared_pieces``, from which `encodekit.by_region` has the
        interval of a region's ceiling.

    Raises
    ------
    ValueError
        If the targets differ or come in another order, the ceiling is for another n, or it and
        the scores come from runs of which none is shared; if the scores are R2, or normalised.
    TypeError
        If one is labelled and the other is not.

    Examples
    --------
    >>> import numpy as np
    >>> normalise(np.array([0.3, 0.1]), np.array([0.6, 0.0]))
    array([0.5, nan])
    """
    if not isinstance(scores, xr.DataArray) and not isinstance(ceiling, xr.DataArray | xr.Dataset):
        return _divide(np.asarray(scores), np.asarray(ceiling))
    if not isinstance(scores, xr.DataArray) or not isinstance(ceiling, xr.Dataset):
        raise TypeError(
            f"normalise: scores is a {type(scores).__name__} and ceiling a "
            f"{type(ceiling).__name__}, expected the DataArray of ek.correlation and the Dataset "
            "of ek.noise_ceiling, or two NumPy arrays"
        )
    if scores.attrs.get("normalised"):
        raise ValueError(
            "normalise: these scores are divided by a ceiling already; the scores before are in "
            "their coordinate raw"
        )
    if scores.attrs.get("metric") == "r2":
        raise ValueError(
            "normalise: scores are R2 but a ceiling is the highest r: take ek.correlation, or "
            "divide R2 by ceiling.ceiling_squared yourself"
        )
    check_same_targets(scores, ceiling, "scores", "ceiling")
    _check_n(scores, ceiling)
    _check_runs(scores.attrs.get("runs", ()), ceiling.attrs.get("runs", ()))
    values = _divide(scores.values, ceiling["ceiling"].values)
    coords = {"raw": ("target", scores.values)}
    coords |= {name: ("target", ceiling[name].values) for name in _BESIDE if name in ceiling}
    if _PIECES in ceiling:
        # One coordinate each: scores have no dimension beside target that a coordinate could use.
        pieces = ceiling[_PIECES].transpose("piece", "target").values
        coords |= {f"{_PIECES[:-1]}_{i}": ("target", piece) for i, piece in enumerate(pieces)}
    return scores.copy(data=values).assign_coords(coords).assign_attrs(normalised=True)


def _divide(scores: Any, ceiling: Any) -> Any:
    if scores.shape != ceiling.shape:
        raise ValueError(
            f"normalise: scores has shape {scores.shape} and ceiling {ceiling.shape}, expected "
            "one ceiling per score"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(ceiling > 0, scores / ceiling, np.nan)


def _check_n(scores: xr.DataArray, ceiling: xr.Dataset) -> None:
    if "n_repeats" not in scores.coords:
        raise ValueError(
            "normalise: scores has no coordinate n_repeats, so it is not known of how many "
            "repeats the responses were the mean: "
            "scores.assign_coords(n_repeats=('target', ...)) says it"
        )
    mine, theirs = scores.coords["n_repeats"].values, ceiling["n_repeats"].values
    other = np.flatnonzero((mine != theirs) & ~np.isnan(ceiling["ceiling"].values))
    if not other.size:
        return
    first = int(other[0])
    said = f"the mean of {mine[first]} repeats" if mine[first] else "runs of mixed n_repeats"
    raise ValueError(
        f"normalise: {other.size} targets were scored on another number of repeats than the "
        f"ceiling is for: {str(scores.target.values[first])!r} was scored on {said}, its ceiling "
        f"is for {theirs[first]}. Score the mean of {theirs[first]}, or pass "
        f"noise_ceiling(repeats, n={mine[first] or '...'}), run by run where runs differ"
    )


def _check_runs(scored: Any, ceiling: Any) -> None:
    mine, theirs = list(np.atleast_1d(scored)), list(np.atleast_1d(ceiling))
    if mine and theirs and not set(mine) & set(theirs):
        raise ValueError(
            f"normalise: scores are of the runs {_say(mine)} but the ceiling is of "
            f"{_say(theirs)}, and none is shared: pass noise_ceiling of the repeats of the runs "
            "that were scored"
        )


def _say(runs: list[Any]) -> str:
    shown = ", ".join(repr(str(run)) for run in runs[:5])
    return shown + (f" and {len(runs) - 5} more" if len(runs) > 5 else "")
