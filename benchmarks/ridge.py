"""RidgeCV against the programs that people use today: equal results first, then the time.

    python benchmarks/ridge.py                   # the middle size, about ten minutes on two cores
    python benchmarks/ridge.py --size small      # half a minute

Every program gets the same arrays (float32), folds and alphas. ``himalaya`` and the SVD of the Huth
lab's ``bootstrap_ridge`` choose alphas by the same cross-validation as encodekit, and have to
choose the same; scikit-learn's per-target mode only leaves one TR out, so that its weights are
compared at fixed alphas.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.linear_model import RidgeCV as LeaveOneOutRidge
from sklearn.model_selection import KFold

from encodekit import RidgeCV

ALPHAS = np.logspace(0, 8, 15)
N_FOLDS = 5
SIZES = {
    "tiny": (1000, 256, 2500),
    "small": (2000, 1024, 5000),
    "middle": (4000, 2048, 10000),
    "dual": (1000, 6000, 10000),
}


@dataclass(frozen=True)
class Problem:
    """Features (time, feature) and responses (time, target), float32, without means."""

    X: NDArray[Any]
    Y: NDArray[Any]

    @property
    def folds(self) -> list[Any]:
        """Five stretches of time, each held out once."""
        return list(KFold(N_FOLDS).split(self.X))


@dataclass(frozen=True)
class Result:
    """Best alphas (target,), weights (feature, target), and CV scores of alphas (alpha, target)."""

    alphas: NDArray[Any]
    weights: NDArray[Any]
    scores: NDArray[Any] | None = None


def make_problem(size: str, seed: int = 0) -> Problem:
    """Return autocorrelated features of a power-law spectrum, and responses of mixed signal.

    A fifth of the targets hold no signal; the others a share of up to one half.
    """
    n_trs, n_features, n_targets = SIZES[size]
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_trs, n_features))
    for row in range(1, n_trs):
        X[row] += 0.7 * X[row - 1]
    rotation = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    X = (X * np.arange(1, n_features + 1) ** -1.0) @ rotation
    X = ((X - X.mean(axis=0)) / X.std()).astype(np.float32)
    share = rng.uniform(0, 0.5, n_targets).astype(np.float32)
    share[rng.permutation(n_targets)[: n_targets // 5]] = 0
    Y = X @ rng.standard_normal((n_features, n_targets), dtype=np.float32)
    Y *= np.sqrt(share) / Y.std(axis=0)
    Y += np.sqrt(1 - share) * rng.standard_normal(Y.shape, dtype=np.float32)
    return Problem(X, Y - Y.mean(axis=0))


def encodekit(problem: Problem, **settings: Any) -> Result:
    """encodekit as it comes."""
    model = RidgeCV(ALPHAS, cv=problem.folds, **settings).fit(problem.X, problem.Y)
    return Result(model.best_alphas_, model.coef_, model.cv_scores_)


def exhaustive(problem: Problem) -> Result:
    """encodekit, every alpha for every target."""
    return encodekit(problem, exhaustive=True)


def himalaya(problem: Problem, backend: str = "numpy") -> Result:
    """himalaya's RidgeCV, or KernelRidgeCV where features are more than TRs."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV as HimalayaRidge
    from himalaya.scoring import correlation_score

    dual = problem.X.shape[1] > problem.X.shape[0]
    settings = {"score_func": correlation_score, "n_targets_batch": 2500}
    module = set_backend(backend)
    try:
        made = KernelRidgeCV if dual else HimalayaRidge
        model = made(alphas=ALPHAS, cv=problem.folds, fit_intercept=True, solver_params=settings)
        model.fit(module.asarray(problem.X), module.asarray(problem.Y))
        weights = model.get_primal_coef() if dual else model.coef_
        return Result(module.to_numpy(model.best_alphas_), module.to_numpy(weights))
    finally:
        set_backend("numpy")


def himalaya_torch(problem: Problem) -> Result:
    """himalaya with its torch backend."""
    return himalaya(problem, "torch")


def huth(problem: Problem) -> Result:
    """The algorithm of ``bootstrap_ridge`` on these folds: an SVD per fold, alphas one by one."""
    X, Y = problem.X, problem.Y
    scores = np.zeros((ALPHAS.size, Y.shape[1]))
    for train, test in problem.folds:
        mean = X[train].mean(axis=0)
        left, sizes, right = np.linalg.svd(X[train] - mean, full_matrices=False)
        projected = left.T @ (Y[train] - Y[train].mean(axis=0))
        held_out = (X[test] - mean) @ right.T
        true = _z_scored(Y[test])
        for place, alpha in enumerate(ALPHAS):
            predicted = (held_out * (sizes / (sizes**2 + alpha))) @ projected
            scores[place] += (_z_scored(predicted) * true).mean(axis=0)
    chosen = scores.argmax(axis=0)
    left, sizes, right = np.linalg.svd(X, full_matrices=False)
    projected = left.T @ Y
    weights = np.empty((X.shape[1], Y.shape[1]), np.float32)
    for place in np.unique(chosen):
        mine = chosen == place
        weights[:, mine] = (right.T * (sizes / (sizes**2 + ALPHAS[place]))) @ projected[:, mine]
    return Result(ALPHAS[chosen], weights)


def _z_scored(values: NDArray[Any]) -> NDArray[Any]:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def scikit_learn(problem: Problem) -> Result:
    """scikit-learn's RidgeCV with one alpha per target, which leaves single TRs out."""
    model = LeaveOneOutRidge(ALPHAS, alpha_per_target=True).fit(problem.X, problem.Y)
    return Result(model.alpha_, model.coef_.T)


SAME_SEARCH = (exhaustive, encodekit, himalaya, himalaya_torch, huth)
Program = Callable[[Problem], Result]


def check_equal(problem: Problem, results: dict[str, Result]) -> None:
    """Raise unless the programs choose the same alphas, and the same weights at these.

    The search that leaves out alphas may lose 1e-4 of a score in one target of a thousand. Weights
    are checked against scikit-learn's Ridge in float64 too, for a few targets.
    """
    ours = results["exhaustive"]
    scale = np.abs(ours.weights).max()
    for name in {program.__name__ for program in SAME_SEARCH} & set(results):
        same = np.isclose(results[name].alphas, ours.alphas)
        assert same.mean() >= 0.99, f"{name}: {same.mean():.2%} of the alphas are ours"
        assert np.abs(results[name].weights - ours.weights)[:, same].max() < 1e-3 * scale, name
    if ours.scores is not None and "encodekit" in results:
        places = np.searchsorted(ALPHAS, 0.99 * results["encodekit"].alphas)
        lost = ours.scores.max(axis=0) - ours.scores[places, np.arange(places.size)]
        assert np.mean(lost > 1e-4) <= 0.001, f"{np.mean(lost > 1e-4):.2%} lose more than 1e-4"
    for name in {"exhaustive", "scikit_learn"} & set(results):
        some = np.linspace(0, ours.alphas.size - 1, 20).astype(int)
        alphas, theirs = results[name].alphas[some], results[name].weights[:, some]
        exact = Ridge(alpha=alphas).fit(problem.X.astype("f8"), problem.Y[:, some]).coef_.T
        assert np.abs(exact - theirs).max() < 1e-3 * np.abs(exact).max(), name


def gemm_rate() -> float:
    """Return the rate of float32 products of matrices, in operations a second."""
    left = np.ones((2000, 2048), np.float32)
    right = np.ones((2048, 4000), np.float32)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - start)
    return 2 * 2000 * 2048 * 4000 / min(seconds)


def timed(program: Program, problem: Problem) -> tuple[float, Result]:
    """Return (seconds, result)."""
    start = time.perf_counter()
    result = program(problem)
    return time.perf_counter() - start, result


def main() -> None:
    """Print the table of one size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(SIZES), default="middle")
    parser.add_argument("--repeats", type=int, default=1, help="of each; the fastest counts")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    problem = make_problem(chosen.size)
    n_trs, n_features, n_targets = SIZES[chosen.size]
    floor = 2 * ALPHAS.size * n_trs * min(n_trs, n_features) * n_targets
    programs: tuple[Program, ...] = (*SAME_SEARCH, scikit_learn)
    seconds, results = {}, {}
    rates = [gemm_rate()]
    for program in programs:
        runs = [timed(program, problem) for _ in range(chosen.repeats)]
        seconds[program.__name__] = min(run[0] for run in runs)
        results[program.__name__] = runs[0][1]
        rates.append(gemm_rate())
    check_equal(problem, results)
    rate = float(np.median(rates))
    print(f"{n_trs} TRs x {n_features} features -> {n_targets} targets, {ALPHAS.size} alphas, "
          f"{N_FOLDS} folds; float32 products at {rate / 1e9:.0f} Gflop/s, so that one product per "
          f"alpha alone takes {floor / rate:.1f} s")  # fmt: skip
    for name, spent in seconds.items():
        print(f"{name:16s} {spent:8.1f} s   {spent / seconds['encodekit']:6.2f} x encodekit   "
              f"{spent * rate / floor:6.2f} x one product per alpha")  # fmt: skip


if __name__ == "__main__":
    main()
