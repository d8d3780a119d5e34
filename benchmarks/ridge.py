"""RidgeCV against the programs that people use today: equal results first, then the time.

    python benchmarks/ridge.py                         # three sizes, some twenty minutes
    python benchmarks/ridge.py --size small            # a minute
    python benchmarks/ridge.py --people                # what eight participants cost

Every program gets the same arrays (float32), folds and alphas. ``himalaya`` and the SVD of the Huth
lab's ``bootstrap_ridge`` choose alphas by the same cross-validation as encodekit, and have to
choose the same; scikit-learn's per-target mode only leaves one TR out, so that its weights are
compared at fixed alphas. Seconds of the processor, over all threads, say more than those of the
clock where other programs are running.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.linear_model import RidgeCV as LeaveOneOutRidge
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_info

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
PROGRAMS = (*SAME_SEARCH, scikit_learn)
Program = Callable[[Problem], Result]


def check_equal(problem: Problem, results: dict[str, Result]) -> None:
    """Raise unless the programs choose the same alphas, and the same weights at these.

    The search that leaves out alphas may lose 1e-4 of a score in one target of a thousand. Weights
    are checked against scikit-learn's Ridge in float64 too, for a few targets. Those of himalaya's
    kernels have in float32 the rounding of the largest eigenvalue, over alpha.
    """
    ours = results["exhaustive"]
    scale = np.abs(ours.weights).max()
    rounding = np.finfo(np.float32).eps * kernel_size(problem) / ours.alphas
    for name in {program.__name__ for program in SAME_SEARCH} & set(results):
        same = np.isclose(results[name].alphas, ours.alphas)
        assert same.mean() >= 0.99, f"{name}: {same.mean():.2%} of the alphas are ours"
        off = np.abs(results[name].weights - ours.weights).max(axis=0) / scale
        assert np.all((off < 1e-3 + (rounding if "himalaya" in name else 0))[same]), name
    if ours.scores is not None and "encodekit" in results:
        places = np.searchsorted(ALPHAS, 0.99 * results["encodekit"].alphas)
        lost = ours.scores.max(axis=0) - ours.scores[places, np.arange(places.size)]
        assert np.mean(lost > 1e-4) <= 0.001, f"{np.mean(lost > 1e-4):.2%} lose more than 1e-4"
    for name in {"exhaustive", "scikit_learn"} & set(results):
        some = np.linspace(0, ours.alphas.size - 1, 20).astype(int)
        alphas, theirs = results[name].alphas[some], results[name].weights[:, some]
        exact = Ridge(alpha=alphas).fit(problem.X.astype("f8"), problem.Y[:, some]).coef_.T
        assert np.abs(exact - theirs).max() < 1e-3 * np.abs(exact).max(), name


def kernel_size(problem: Problem) -> float:
    """Return the largest eigenvalue of the kernel of features, 0 where no program takes kernels."""
    n_trs, n_features = problem.X.shape
    return float(np.linalg.norm(problem.X, 2)) ** 2 if n_features > n_trs else 0.0


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


@dataclass(frozen=True)
class Seconds:
    """What a program took, by the clock and of the processor (over all threads)."""

    clock: float
    processor: float


def timed(program: Program, problem: Problem) -> tuple[Seconds, Result]:
    """Return (seconds, result)."""
    before = time.perf_counter(), time.process_time()
    result = program(problem)
    return Seconds(time.perf_counter() - before[0], time.process_time() - before[1]), result


def compare(size: str, programs: Sequence[Program], repeats: int) -> None:
    """Print the table of one size, after the smallest one has shown that results are equal."""
    tiny = make_problem("tiny")
    check_equal(tiny, {program.__name__: program(tiny) for program in programs})
    problem = make_problem(size)
    spent: dict[str, list[Seconds]] = {program.__name__: [] for program in programs}
    rates, results = [gemm_rate()], {}
    for _ in range(repeats):
        for program in programs:
            seconds, results[program.__name__] = timed(program, problem)
            spent[program.__name__].append(seconds)
            rates.append(gemm_rate())
    check_equal(problem, results)
    best = {
        name: Seconds(min(one.clock for one in all_), min(one.processor for one in all_))
        for name, all_ in spent.items()
    }
    print_table(size, best, float(np.median(rates)))


def print_table(size: str, spent: dict[str, Seconds], rate: float) -> None:
    """Print seconds, how many times those of encodekit they are, and the ratio to the floor."""
    n_trs, n_features, n_targets = SIZES[size]
    floor = 2 * ALPHAS.size * n_trs * min(n_trs, n_features) * n_targets / rate
    print(f"\n## {n_trs:,} TRs x {n_features:,} features -> {n_targets:,} targets\n")
    print(f"{ALPHAS.size} alphas, {N_FOLDS} folds, {n_threads()} threads; float32 products ran at "
          f"{rate / 1e9:.0f} Gflop/s, so that one product per alpha alone takes {floor:.1f} s (the "
          "floor).\n")  # fmt: skip
    print("| program | clock, s | x encodekit | processor, s | x encodekit | clock / floor |")
    print("|---|---|---|---|---|---|")
    ours = spent["encodekit"]
    for name, seconds in spent.items():
        print(f"| {name} | {seconds.clock:.1f} | {seconds.clock / ours.clock:.2f} "
              f"| {seconds.processor:.1f} | {seconds.processor / ours.processor:.2f} "
              f"| {seconds.clock / floor:.2f} |")  # fmt: skip


def n_threads() -> int:
    """Return how many threads multiply matrices."""
    return max((pool["num_threads"] for pool in threadpool_info()), default=1)


def compare_people(n_trs: int = 2000, n_features: int = 1024, n_targets: int = 2500) -> None:
    """Print what 1, 2, 4 and 8 participants cost who heard the same, in its two parts."""
    base = make_problem("small")
    X, rng = base.X[:n_trs, :n_features], np.random.default_rng(1)
    people = np.array([1, 2, 4, 8])
    print(f"\n## Participants who heard the same: {n_trs:,} TRs x {n_features:,} features, "
          f"{n_targets:,} targets each\n")  # fmt: skip
    print("| mode | 1, s | 2, s | 4, s | 8, s | once, s | each, s | R2 of the line |")
    print("|---|---|---|---|---|---|---|---|")
    Y = base.Y[:, rng.integers(0, base.Y.shape[1], 8 * n_targets)]
    Y = Y + rng.standard_normal(Y.shape, dtype=np.float32)
    for program in (exhaustive, encodekit):
        spent = [timed(program, Problem(X, Y[:, : n * n_targets]))[0].processor for n in people]
        each, once = np.polyfit(people, spent, 1)
        line = np.corrcoef(people, spent)[0, 1] ** 2
        cells = " | ".join(f"{one:.1f}" for one in spent)
        print(f"| {program.__name__} | {cells} | {once:.1f} | {each:.2f} | {line:.4f} |")
        assert spent[-1] <= 1.05 * (once + 8 * each), "eight cost more than their parts"


def main() -> None:
    """Print tables in markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(SIZES), nargs="+", default=list(SIZES)[1:])
    parser.add_argument("--repeats", type=int, default=1, help="of each; the fastest counts")
    parser.add_argument("--people", action="store_true", help="what eight participants cost")
    parser.add_argument("--only", nargs="+", choices=[one.__name__ for one in PROGRAMS])
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    programs = [one for one in PROGRAMS if chosen.only is None or one.__name__ in chosen.only]
    if chosen.people:
        compare_people()
        return
    for size in chosen.size:
        compare(size, programs, chosen.repeats)


if __name__ == "__main__":
    main()
