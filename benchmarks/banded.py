"""BandedRidgeCV against himalaya's random searches: equal scores first, then the time.

    python benchmarks/banded.py                    # small and large
    python benchmarks/banded.py --size long        # ours, and himalaya's from 5 draws

Every program gets the same arrays (float32), draws, folds and alphas. ``every pair`` is encodekit
with each target trying all of them, which says what the search of ``encodekit`` may have lost.
himalaya searches over features (group ridge) and over kernels, with NumPy and with torch.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from encodekit import BandedRidgeCV, BandSearch

ALPHAS = np.logspace(0, 6, 10)
N_FOLDS = 5
FEW = 5  # draws from which the time of many is told
SIZES = {  # TRs, features of each band, targets, draws
    "tiny": (400, (60, 40), 1200, 6),
    "small": (1000, (300, 200), 2000, 10),
    "large": (2000, (1024, 512, 256), 10000, 20),
    "long": (4000, (1024, 512, 256), 10000, 100),
}


@dataclass(frozen=True)
class Problem:
    """Features of each band (time, feature), responses (time, target), and how many draws."""

    bands: list[NDArray[Any]]
    Y: NDArray[Any]
    n_iter: int

    @property
    def folds(self) -> list[Any]:
        """Five stretches of time, each held out once."""
        return list(KFold(N_FOLDS).split(self.Y))

    @property
    def names(self) -> NDArray[Any]:
        """The band of each feature."""
        return np.repeat([f"band {n}" for n in range(len(self.bands))],
                         [band.shape[1] for band in self.bands])  # fmt: skip


def make_problem(size: str, seed: int = 0) -> Problem:
    """Return autocorrelated features of a power-law spectrum, and responses to some of the bands.

    Of each band a target has a share of variance of up to one fifth, in half of the targets.
    """
    n_trs, n_features, n_targets, n_iter = SIZES[size]
    rng = np.random.default_rng(seed)
    bands, Y = [], rng.standard_normal((n_trs, n_targets), dtype=np.float32)
    for n in n_features:
        X = rng.standard_normal((n_trs, n))
        for row in range(1, n_trs):
            X[row] += 0.7 * X[row - 1]
        rotation = np.linalg.qr(rng.standard_normal((n, n)))[0]
        X = (X * np.arange(1, n + 1) ** -0.5) @ rotation
        band = ((X - X.mean(axis=0)) / X.std()).astype(np.float32)
        part = band @ rng.standard_normal((n, n_targets), dtype=np.float32)
        share = rng.uniform(0, 0.2, n_targets) * (rng.uniform(size=n_targets) < 0.5)
        Y += part * (np.sqrt(share) / part.std(axis=0)).astype(np.float32)
        bands.append(band)
    return Problem(bands, Y - Y.mean(axis=0), n_iter)


@dataclass(frozen=True)
class Result:
    """Seconds of the clock, and the best score of each target."""

    seconds: float
    scores: NDArray[Any]
    gammas: NDArray[Any]


def encodekit(problem: Problem, n_iter: int, **search: Any) -> Result:
    """encodekit with himalaya's draws."""
    X, start = np.concatenate(problem.bands, axis=1), time.perf_counter()
    model = BandedRidgeCV(
        ALPHAS, search=BandSearch(n_iter, **search), cv=problem.folds, scoring="correlation_folds"
    ).fit(X, problem.Y, bands=problem.names)
    return Result(time.perf_counter() - start, model.best_scores_, model.gammas_)


def himalaya(problem: Problem, n_iter: int, gammas: NDArray[Any], solver: str, backend: str) -> Any:
    """himalaya's random search over features ("group") or rows ("kernel"), with weights."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.ridge import solve_group_ridge_random_search
    from himalaya.scoring import correlation_score

    module = set_backend(backend)
    common = {
        "n_iter": module.asarray(gammas[:n_iter].astype(np.float32)), "alphas": ALPHAS,
        "cv": problem.folds, "score_func": correlation_score, "progress_bar": False,
        "n_targets_batch": 2500, "n_targets_batch_refit": 2500, "n_alphas_batch": 5,
    }  # fmt: skip
    start = time.perf_counter()
    try:
        bands, Y = [module.asarray(band) for band in problem.bands], module.asarray(problem.Y)
        if solver == "group":
            found = solve_group_ridge_random_search(
                bands, Y, fit_intercept=True, return_weights=True, warn=False, **common
            )
        else:
            kernels = module.stack([band @ band.T for band in bands])
            found = solve_multiple_kernel_ridge_random_search(
                kernels, Y, fit_intercept=True, return_weights="dual", **common
            )
        scores = module.to_numpy(found[2]).max(axis=0)
    finally:
        set_backend("numpy")
    return Result(time.perf_counter() - start, scores, gammas)


def check_equal(ours: Result, theirs: Result, name: str) -> None:
    """Raise unless 99.9 % of the targets have a score that is at most 1e-4 below the other's.

    99 % where it is by kernels in float32, which round scores at small alphas, up and down.
    """
    lost = np.mean(theirs.scores - ours.scores > 1e-4)
    assert lost <= (0.01 if "kernel" in name else 0.001), f"{name}: {lost:.2%} lose over 1e-4"


def compare(size: str) -> None:
    """Print the table of one size."""
    problem = make_problem(size)
    n_iter = problem.n_iter
    few = min(FEW, n_iter) if size == "long" else n_iter
    ours = encodekit(problem, n_iter)
    print(f"\n## {len(problem.Y):,} TRs x {' + '.join(f'{b.shape[1]:,}' for b in problem.bands)} "
          f"features -> {problem.Y.shape[1]:,} targets\n\n{n_iter} draws, {ALPHAS.size} alphas, "
          f"{N_FOLDS} folds.\n\n| program | clock, s | x encodekit |\n|---|---|---|")  # fmt: skip
    print(f"| encodekit | {ours.seconds:.1f} | 1.00 |", flush=True)
    programs: dict[str, Callable[[], Result]] = {
        f"himalaya {solver}, {backend}": lambda s=solver, b=backend: himalaya(
            problem, few, ours.gammas, s, b
        )
        for solver in ("group", "kernel") for backend in ("numpy", "torch")
    }  # fmt: skip
    if size != "long":
        programs["encodekit, every pair"] = lambda: encodekit(problem, n_iter, exhaustive=True)
    for name, program in programs.items():
        found = program()
        seconds = found.seconds * n_iter / (few if "himalaya" in name else n_iter)
        note = f" (from {few} draws)" if few < n_iter else ""
        print(f"| {name}{note} | {seconds:.1f} | {seconds / ours.seconds:.2f} |", flush=True)
        if few == n_iter:
            check_equal(ours, found, name)


def main() -> None:
    """Print tables in markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(SIZES), nargs="+", default=["small", "large"])
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    compare("tiny")  # equal scores; what is imported and made once is timed here
    for size in chosen.size:
        compare(size)


if __name__ == "__main__":
    main()
