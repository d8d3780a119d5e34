"""The search of the Huth lab's ``bootstrap_ridge``, as one call."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from encodekit.linear._ridge import RidgeCV
from encodekit.linear._splitters import RandomChunks

HUTH_ALPHAS = tuple(np.logspace(1, 3, 10).tolist())


def huth_ridge(
    alphas: ArrayLike = HUTH_ALPHAS,
    *,
    n_boots: int = 50,
    chunk_length: int = 40,
    n_chunks: int = 125,
    single_alpha: bool = False,
    random_state: Any = 0,
) -> RidgeCV:
    """Return a `RidgeCV` that searches as the Huth lab's ``bootstrap_ridge`` does.

    ``alpha* = argmax_alpha 1/B sum_b r(y_b, X_b V diag(s / (s^2 + alpha^2)) U' y_-b)``, for B draws
    of held-out chunks of TRs b, with ``X_-b = U diag(s) V'`` their training rows, no intercept, and
    r over all held-out TRs of a draw as one stretch; then weights on all rows at alpha*.

    It is for comparisons with work that used this search. **Its chunks leak** neighbouring TRs
    (`RandomChunks`); for results of your own use `RidgeCV`, which leaves stimuli out.

    Parameters
    ----------
    alphas : array (alpha,)
        As given there: they penalise with their square.
    n_boots, chunk_length, n_chunks : int
        Draws, TRs of a chunk, and chunks held out by a draw. The defaults, with those of
        ``alphas``, are of ``encoding.py``, and hold out 5,000 TRs: for less data, ``ridge.py``
        advises a ``chunk_length * n_chunks`` of about 20 percent of the TRs.
    single_alpha : bool
        One alpha for all targets, of the best mean r over targets.
    random_state : int, RandomState or None
        Of the draws.

    Returns
    -------
    RidgeCV
        With ``fit_intercept=False``, ``alpha_convention="huth"``, ``cv=RandomChunks(...)``,
        ``scoring="correlation_folds"`` and ``exhaustive=True``. ``set_params`` sets ``targets``,
        ``device`` and the like, or ``cv`` to the very rows that a published fit held out,
        ``[(train, held_out), ...]``.

    Raises
    ------
    ValueError
        If the numbers make no sense; by ``fit``, if there are fewer whole chunks than ``n_chunks``.

    Notes
    -----
    Without an intercept, X and y are to be z-scored by run first, as there
    (`encodekit.RunScaler`).

    Kept: no r (NaN) in a draw counts as 0; the mean is over draws; alphas are not scaled by the
    largest singular value (``normalpha=False``); of equal alphas the first of an ascending grid
    wins, and here alphas whose scores are equal up to rounding are equal.

    Not kept:

    - ``singcutoff=1e-10`` drops singular values below it, whose share of a prediction is
      below ``1e-10 / alpha^2``; here none is dropped but those beyond the rank of the rows.
    - Other draws than theirs come from the same number: they shuffle by Python's ``random``.
    - Constant targets, and those with NaN, get weights there, NaN being taken for 0 in the last
      fit; here they are ``degenerate_``, or fitted on the rows that are there.
    - A target with no r in any draw takes the largest alpha here, the first there.
    - ``use_corr=False`` is not here. ``encoding.py`` has it unless it is called with ``-use_corr``;
      the default of ``bootstrap_ridge`` itself, which is followed, is True.

    Source: ``encoding/ridge_utils/ridge.py`` and ``encoding/encoding.py`` of
    https://github.com/HuthLab/deep-fMRI-dataset, the code of LeBel et al. (2023), "A natural
    language fMRI dataset for voxelwise encoding models", Scientific Data 10:555.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, B = rng.standard_normal((120, 4)), rng.standard_normal((4, 2))
    >>> Y = X @ B + 4 * rng.standard_normal((120, 2))
    >>> model = huth_ridge(np.logspace(-1, 2, 7), n_boots=5, chunk_length=10, n_chunks=3)
    >>> model.fit(X, Y).coef_.shape, model.intercept_.tolist()
    ((4, 2), [0.0, 0.0])
    """
    chunks = RandomChunks(
        n_boots, chunk_length=chunk_length, n_chunks=n_chunks, random_state=random_state
    )
    return RidgeCV(
        alphas,
        cv=chunks,
        fit_intercept=False,
        alpha_convention="huth",
        scoring="correlation_folds",
        single_alpha=single_alpha,
        exhaustive=True,  # as there; leaving alphas out may choose one that is 1e-4 of r worse
    )
