"""RidgeCV: ridge regression, one alpha per target."""

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from encodekit.core import unknown_name
from encodekit.linear._blocks import lazy_weights
from encodekit.linear._criteria import CRITERIA, scoring_mistakes
from encodekit.linear._folds import purge_mistakes
from encodekit.linear._inputs import Training, read_training
from encodekit.linear._predictions import LinearPredictions
from encodekit.linear._solve import Settings, Solution, solve

DEFAULT_ALPHAS = tuple(np.logspace(0, 8, 17).tolist())
_CONVENTIONS = ("ridge", "huth")
_MANY = 0.1  # of the targets at an edge of the grid: worth a warning
_RISING = 0.01  # of a score, from the last but one alpha to the edge: less is noise


class RidgeCV(LinearPredictions, RegressorMixin, BaseEstimator):
    """``min ||X B - Y||^2 + alpha ||B||^2``, alpha chosen per target by leaving stimuli out.

    Parameters
    ----------
    alphas : array (alpha,)
        Positive.
    cv : None, int, splitter or iterable of (train, test), optional
        None leaves stimuli out: each one in turn up to five stimuli, else five groups of them. A
        number makes that many groups. An unshuffled scikit-learn splitter splits TRs, with
        ``groups`` if it takes them. `encodekit.RandomChunks` and `encodekit.TrimmedKFold` are for
        comparisons with published work: they may leak neighbouring TRs.
    purge : int
        TRs next to a held-out stretch of the same run that no fold trains on: for splitters that
        cut a long run, at least the longest delay plus the haemodynamic response.
    targets : None, list, selector or callable, optional
        Which targets of y to fit and score: names of targets or of regions, anything with
        ``transform(responses)`` such as a region selector, or a function of the responses.
    fit_intercept : bool
    alpha_convention : {"ridge", "huth"}
        "huth" penalises with ``alpha^2``, as the Huth lab's ``bootstrap_ridge``; this alone is not
        their search, `encodekit.huth_ridge` is.
    scoring : {"correlation", "correlation_folds", "r2_pooled", "r2_folds"}
        What chooses alpha: r within each held-out run; r of a fold; R2 against the training means,
        as `encodekit.r2`; R2 of a fold, as ``r2_score`` of scikit-learn and of himalaya. The
        equations are below.
    single_alpha : bool
        One alpha for all targets, the best on average.
    exhaustive : bool
        Whether every target tries every alpha. If not, and there are 2,048 targets or more, 256 of
        them try all, and the others leave out alphas that these say cannot be best (see Notes).
    block_size : int, optional
        Targets at a time; from a budget of 512 MB if not given.
    device : str, optional
        Of torch, such as "cuda", to compute on; NumPy if not given, which is as fast on a CPU.
    coef_store : path, optional
        A zarr folder, not there yet, for weights larger than memory; ``coef_`` is then lazy.

    Attributes
    ----------
    coef_ : (feature, target)
    intercept_, training_mean_ : (target,)
        ``training_mean_`` is what `encodekit.r2` measures against.
    best_alphas_ : (target,)
        In the convention of ``alphas``; NaN for degenerate targets. Of alphas whose scores are
        equal up to rounding, as all are with one feature, the smallest.
    cv_scores_ : (alpha, target)
        NaN for alphas that a target did not try. Those that tried an alpha are likely to do well at
        it, so that a mean over them is too high: for means over targets use ``exhaustive=True``.
    best_scores_ : (target,)
        The score of the chosen alpha, optimistic as any maximum.
    fitted_on_ : dict of str to str
        `Stimulus.heard_hash` to run name of the runs of the fit; empty where X does not say it of
        every run, as what extractors make does.
    degenerate_ : array
        Names (positions, for arrays) of targets that were not fitted and predict NaN: constant,
        or NaN in a row in which others of the same participant have values.

    Notes
    -----
    Fitted on DataArrays, the attributes are DataArrays with the labels of features and targets.
    Rows of history (negative ``tr``) are dropped, and X and y joined exactly on (run, tr). Rows in
    which all targets of a participant are NaN are missing for that participant alone.

    With p the prediction of held-out y, F folds f, training means m_f and means ȳ_f of the
    held-out rows of a fold, ``scoring`` is

    - ``correlation``: ``sum_u n_u r_u / sum_u n_u``, r_u within the n_u held-out rows of run u of
      a fold; runs without r are left out.
    - ``correlation_folds``: ``1/F sum_f r_f``, r_f over all held-out rows of fold f, of whichever
      runs, as one stretch; a fold without r counts as 0.
    - ``r2_pooled``: ``1 - sum_f |y - p|^2 / sum_f |y - m_f|^2``; without an intercept, m_f is 0.
    - ``r2_folds``: ``1/F sum_f (1 - |y - p|^2 / |y - ȳ_f|^2)``; a fold in which y is constant
      counts as 0. This is ``GridSearchCV(Ridge(), scoring="r2")``, and himalaya's ``r2_score``.

    Each may choose another alpha than the others. A difference of level between runs counts for
    ``correlation_folds``, and not for ``correlation``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, B = rng.standard_normal((90, 4)), rng.standard_normal((4, 2))
    >>> Y = X @ B + rng.standard_normal((90, 2))
    >>> model = RidgeCV(alphas=[1, 10, 100]).fit(X, Y, runs=np.repeat(["a", "b", "c"], 30))
    >>> model.coef_.shape, model.predict(X).shape
    ((4, 2), (90, 2))
    """

    # Asked for wherever metadata routing is on, so that nested cross-validation gets them.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True, "runs": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"runs": True}

    def __init__(
        self,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        *,
        cv: Any = None,
        purge: int = 0,
        targets: Any = None,
        fit_intercept: bool = True,
        alpha_convention: str = "ridge",
        scoring: str = "correlation",
        single_alpha: bool = False,
        exhaustive: bool = False,
        block_size: int | None = None,
        device: str | None = None,
        coef_store: Any = None,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.purge = purge
        self.targets = targets
        self.fit_intercept = fit_intercept
        self.alpha_convention = alpha_convention
        self.scoring = scoring
        self.single_alpha = single_alpha
        self.exhaustive = exhaustive
        self.block_size = block_size
        self.device = device
        self.coef_store = coef_store

    def fit(self, X: Any, y: Any, groups: Any = None, runs: Any = None) -> Self:
        """Choose alphas and fit.

        Parameters
        ----------
        X : DataArray (time, feature), or array
        y : list of DataArray (one per run), DataArray (time, target), or array
        groups : array, optional
            What must not be split, one value per run or per TR; the ``stimulus`` coordinate, or
            ``runs``, if not given.
        runs : array (time,), optional
            For arrays: the run of each TR.

        Raises
        ------
        ValueError
            If a parameter is not what it may be, the rows of X and y differ, X holds NaN, the TRs
            of a labelled run are shuffled or interrupted, or ``cv`` needs stimuli and none are
            known.
        TypeError
            If one of X and y is labelled and the other is not.

        Warns
        -----
        UserWarning
            If over a tenth of the targets are predicted above chance at an edge of the grid, and
            their score still rises there.
        """
        settings = self._settings()
        training = read_training(self, X, y, groups=groups, runs=runs, targets=self.targets)
        solution = solve(training.problem, settings)
        self.n_features_in_ = training.problem.features.shape[1]
        self._store(solution, training)
        n_rows = len(training.problem.features)
        _warn_at_edges(solution, settings, np.asarray(self.alphas), n_rows)
        return self

    def _settings(self) -> Settings:
        alphas, mistakes = read_alphas(self.alphas, self.alpha_convention)
        if self.alpha_convention not in _CONVENTIONS:
            mistakes.append(unknown_name("alpha_convention", self.alpha_convention, _CONVENTIONS))
        mistakes += scoring_mistakes(self.scoring)
        if self.block_size is not None and self.block_size < 1:
            mistakes.append(f"block_size must be a number of targets, got {self.block_size!r}")
        mistakes += purge_mistakes(self.purge)
        if mistakes:
            raise ValueError(f"{type(self).__name__}: {'; '.join(mistakes)}")
        return Settings(
            alphas,
            self.cv,
            self.purge,
            self.scoring,
            self.fit_intercept,
            self.single_alpha,
            self.exhaustive,
            self.block_size,
            self.device,
            self.coef_store,
        )

    def _store(self, solution: Solution, training: Training) -> None:
        fitted = solution.chosen >= 0
        alphas = np.asarray(self.alphas, dtype=np.float64)
        best = np.where(fitted, alphas[solution.chosen], np.nan)
        scores = np.where(fitted, solution.scores[solution.chosen, np.arange(fitted.size)], np.nan)
        wrap = training.labels.wrap
        self.coef_ = wrap(lazy_weights(solution.coef), "feature", "target")
        self.intercept_ = wrap(solution.intercept, "target")
        self.training_mean_ = wrap(solution.mean, "target")
        self.best_alphas_ = wrap(best, "target")
        self.cv_scores_ = wrap(solution.scores, "alpha", "target", alpha=alphas)
        self.best_scores_ = wrap(scores, "target")
        self._mark(training, fitted)


def read_alphas(given: Any, convention: str) -> tuple[NDArray[np.float64], list[str]]:
    """Return alphas in the convention "ridge", and what is wrong with a user's."""
    wanted = "alphas must be a list of positive numbers"
    try:
        alphas = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return np.ones(1), [f"{wanted}, got {given!r}"]
    if alphas.ndim != 1 or not alphas.size or not np.all((alphas > 0) & np.isfinite(alphas)):
        return alphas, [f"{wanted}, got {given!r}"]
    with np.errstate(over="ignore", under="ignore"):
        used = alphas**2 if convention == "huth" else alphas
    if not np.all((used > 0) & np.isfinite(used)):
        return used, [f"{wanted} whose squares are too, by alpha_convention='huth', got {given!r}"]
    return used, []


def _warn_at_edges(
    solution: Solution, settings: Settings, alphas: NDArray[Any], n_rows: int
) -> None:
    """Warn of predicted targets at the edge of the grid whose score still rises there.

    Targets that are not predicted choose anything, and say nothing about the grid.
    """
    order = np.argsort(settings.alphas)
    fitted = np.flatnonzero(solution.chosen >= 0)
    if order.size < 2 or not fitted.size:
        return
    # Two standard errors of r between independent rows; autocorrelation would make it more.
    chance = 2 / np.sqrt(n_rows) if CRITERIA[settings.scoring].correlates else 0.0
    for edge, inner, name, advice in (
        (order[0], order[1], "smallest", "smaller"),
        (order[-1], order[-2], "largest", "larger"),
    ):
        at_edge = fitted[solution.chosen[fitted] == edge]
        scores = solution.scores[edge, at_edge]
        rising = (scores > chance) & (scores - solution.scores[inner, at_edge] > _RISING)
        share = np.count_nonzero(rising) / fitted.size
        if share > _MANY:
            warnings.warn(
                f"{share:.0%} of the targets chose the {name} alpha of the grid, "
                f"{alphas[edge]:g}, and their score still rises there: add {advice} alphas",
                UserWarning,
                stacklevel=3,
            )
