"""Permutations that stop where they have said enough."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.scoring._doubts import Loudness, chance_spread
from encodekit.scoring._null_statistics import pieces, statistics
from encodekit.scoring._nulls import Scramblings

_CHUNK = 500  # draws between two looks, after which finished targets are no longer computed
_AT_ONCE = 4096  # targets

Floats = NDArray[np.float64]


def sequential_test(
    truth: xr.DataArray,
    guess: xr.DataArray,
    r: Floats,
    chance: Scramblings,
    n: int,
    enough: int,
    block_size: int | None,
    loudness: Loudness,
) -> dict[str, Floats]:
    """Return z and p over stimulus, each target's draws stopped at ``enough`` that reach its r.

    ``p = enough / l`` where the l-th draw was the last needed, and ``(1 + reached) / (1 + n)``
    where n were not enough (Besag & Clifford 1991, Biometrika 78:301-304, section 4). z is from the
    first draws.
    """
    z, p = np.full((2, r.size), np.nan)
    reached = np.zeros(r.size, int)  # draws so far that reach the observed value
    for chunk, done in enumerate(range(0, n, _CHUNK)):
        draws = chance.draw(min(_CHUNK, n - done), chunk)
        for piece in pieces(truth, guess, np.isfinite(r) & np.isnan(p), block_size or _AT_ONCE):
            values = statistics(piece, chance, draws)
            values[1:] *= np.float32(chance_spread(guess))
            some, null = piece.columns, values[1:]
            if not done:
                loudness.add(piece)
                z[some] = (values[0] - null.mean(axis=0)) / null.std(axis=0)
            hits = reached[some] + np.cumsum(null >= values[0], axis=0)  # (draw, column)
            reached[some] = hits[-1]
            full = hits[-1] >= enough
            # A chunk goes beyond the draw that was needed; p must not depend on its length.
            last = done + 1 + (hits >= enough).argmax(axis=0)
            p[some[full]] = enough / last[full]
    # max-T needs all draws of all targets, and these were stopped: no family-wise p.
    short = np.isfinite(r) & np.isnan(p)
    p[short] = (1 + reached[short]) / (1 + n)
    return {"z": z, "p_over_stimulus": p, "p_fwe_over_stimulus": np.full(r.size, np.nan)}
