"""permutation_test against the plain vectorised formula: equal results first, then the time.

    python benchmarks/permutations.py                 # 1,000 x 20,000 x 300, a minute or two
    python benchmarks/permutations.py --size tiny

Both get the same arrays (float32) and the same scramblings. The plain formula makes the scrambled
predictions of all targets, permutation by permutation, and correlates; then p, the maximum of the
studentised statistic, and Benjamini-Hochberg, which `permutation_test` does as well (and a
generalised Pareto tail on top, which the comparison leaves out).
"""

import argparse
import resource
import time
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import fft, stats

from encodekit import permutation_test
from encodekit.scoring import PhaseNull, SignNull

SIZES = {"tiny": (100, 500, 120), "small": (300, 5000, 300), "full": (1000, 20_000, 300)}
SEED = 0


def make_problem(size: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return responses and predictions (time, target); the first tenth of the targets follows."""
    _, n_targets, n_trs = SIZES[size]
    rng = np.random.default_rng(1)
    guess = rng.standard_normal((n_trs, n_targets), dtype=np.float32)
    weights = np.where(np.arange(n_targets) < n_targets // 10, 0.3, 0).astype(np.float32)
    return guess * weights + rng.standard_normal(guess.shape, dtype=np.float32), guess


def encodekit(true: NDArray[Any], guess: NDArray[Any], n: int, null: str) -> xr.Dataset:
    """Return what encodekit does."""
    return permutation_test(
        true, guess, n_permutations=n, null=null, tail="count", random_state=SEED
    )


def plain(true: NDArray[Any], guess: NDArray[Any], n: int, null: str) -> xr.Dataset:
    """Return the same, one scrambled prediction of all targets at a time."""
    scramble = {"sign": flipped, "phase": turned}[null](guess, n)
    left = true - true.mean(axis=0)
    left /= np.linalg.norm(left, axis=0)
    r = np.empty((1 + n, true.shape[1]), np.float32)
    for row, surrogate in zip(r, scramble, strict=True):
        right = surrogate - surrogate.mean(axis=0)
        row[:] = (left * right).sum(axis=0) / np.sqrt((right**2).sum(axis=0))
    p = (1 + (r[1:] >= r[0]).sum(axis=0)) / (1 + n)
    z = (r - r.mean(axis=0)) / r.std(axis=0)
    p_fwe = (1 + (z[1:].max(axis=1)[:, None] >= z[0]).sum(axis=0)) / (1 + n)
    values = {
        "p_over_stimulus": p,
        "p_fwe_over_stimulus": p_fwe,
        "q_over_stimulus": stats.false_discovery_control(p),
    }
    return xr.Dataset({name: ("target", value) for name, value in values.items()})


def flipped(guess: NDArray[Any], n: int) -> Any:
    """Yield the predictions, then n with the signs of their cosine coefficients flipped."""
    coefficients = fft.dct(guess, axis=0, norm="ortho")
    for signs in SignNull().draw(np.random.default_rng([SEED, 0]), len(guess), n):
        turned_over = coefficients.copy()
        turned_over[1:] *= signs[:, None]
        yield fft.idct(turned_over, axis=0, norm="ortho")


def turned(guess: NDArray[Any], n: int) -> Any:
    """Yield the predictions, then n with their phases turned."""
    spectrum = fft.rfft(guess, axis=0)
    for draw in PhaseNull().draw(np.random.default_rng([SEED, 0]), len(guess), n):
        cosines, minus_sines = np.split(draw, 2)
        other = spectrum.copy()
        other[1:] *= (cosines - 1j * minus_sines)[:, None]
        yield fft.irfft(other, len(guess), axis=0)


def check_equal(ours: xr.Dataset, theirs: xr.Dataset, n: int) -> None:
    """Assert the same p, but for draws within rounding of the observed value."""
    for name in ("p_over_stimulus", "p_fwe_over_stimulus"):
        apart = np.abs(ours[name].values - theirs[name].values) * (1 + n)
        assert apart.max() < 2.5, (name, apart.max())
        assert (apart > 0.5).mean() < 0.01, name
    same = (ours.q_over_stimulus.values <= 0.05) == (theirs.q_over_stimulus.values <= 0.05)
    assert same.mean() > 0.999


def timed(program: Any, *arguments: Any) -> tuple[float, xr.Dataset]:
    """Return (seconds, result)."""
    start = time.perf_counter()
    result = program(*arguments)
    return time.perf_counter() - start, result


def main() -> None:
    """Print the table of one size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--null", choices=["sign", "phase"], default="sign")
    chosen = parser.parse_args()
    n, n_targets, n_trs = SIZES[chosen.size]
    true, guess = make_problem(chosen.size)
    arguments = (true, guess, n, chosen.null)
    encodekit(true[:, :10], guess[:, :10], n, chosen.null)  # imports, and first calls
    fast, ours = timed(encodekit, *arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    whole, _ = timed(lambda: permutation_test(true, guess, n_permutations=n, null=chosen.null))
    peak = max(peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    slow, theirs = timed(plain, *arguments)
    check_equal(ours, theirs, n)
    print(f"{n} permutations ({chosen.null}) x {n_targets} targets x {n_trs} TRs, max-T and FDR: "
          f"encodekit {fast:.1f} s, with the Pareto tail {whole:.1f} s, {peak:.2f} GiB; plain "
          f"formula {slow:.1f} s, {slow / fast:.1f} x (and {slow / whole:.1f} x)")  # fmt: skip


if __name__ == "__main__":
    main()
