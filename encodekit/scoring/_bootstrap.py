"""Paired block bootstrap within runs: what r would be with other stretches of the same stimulus."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def draw_counts(rng: np.random.Generator, n_trs: int, block: int, n: int) -> Floats:
    """Return (1 + n, time): how often each row is drawn; the first draws each once.

    Blocks of ``block`` rows begin anywhere and go round the end (Politis & Romano 1992, A circular
    block-resampling procedure for stationary data).
    """
    size = min(block, n_trs)
    n_blocks = -(-n_trs // size)  # rounded up; what is beyond the run is cut off
    starts = rng.integers(0, n_trs, (n, n_blocks, 1))
    rows = ((starts + np.arange(size)) % n_trs).reshape(n, -1)[:, :n_trs]
    # One count for all draws: those of draw k lie from k n_trs on.
    places = rows + n_trs * np.arange(n)[:, None]
    counts = np.bincount(places.ravel(), minlength=n * n_trs).reshape(n, n_trs)
    return np.concatenate([np.ones((1, n_trs)), counts]).astype(np.float32)


def resampled(sides: Mapping[str, Floats], counts: Floats) -> dict[str, NDArray[Any]]:
    """Return r (1 + n, target) of the side ``true`` with every other, with rows drawn ``counts``.

    ``sides`` are (time, target), of mean 0 and norm 1, so that float32 has room for their squares.
    """
    # Moments of drawn rows are products with the counts, (1 + n, time) @ (time, target): no row is
    # ever copied. Rounding may put a variance of nearly nothing below 0.
    n = counts.sum(axis=1, keepdims=True)
    sums = {name: counts @ side for name, side in sides.items()}
    spread = {
        name: np.sqrt(np.maximum(counts @ side**2 - sums[name] ** 2 / n, 0))
        for name, side in sides.items()
    }
    true = sides["true"]
    found = {}
    for name in [name for name in sides if name != "true"]:
        product = counts @ (true * sides[name]) - sums["true"] * sums[name] / n
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = product / (spread["true"] * spread[name])
    return found
