"""BandSearch: how the shares of bands are searched for."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from encodekit.core import unknown_name


class BandSearch(BaseEstimator):
    """How `encodekit.BandedRidgeCV` searches for the shares of its bands.

    Parameters
    ----------
    n_iter : int
        How many shares to try; the first are equal ones. One band needs no more than one.
    concentration : sequence of float
        Of the Dirichlet distributions that the shares are drawn from, in turn: below 1 mostly one
        band, 1 uniform. The draws are those of himalaya's random search.
    gammas : array (candidate, band), optional
        Shares to try, instead of draws: those of another fit, ``gammas_``. In the order of the
        bands of X; each row sums to one.
    exhaustive : bool
        Whether every target tries all alphas with all shares. If not, and there are 2,048 targets
        or more, 256 of them try all, and the others leave out what these say cannot be best (see
        the Notes of `encodekit.BandedRidgeCV`).
    random_state : int, RandomState or None
        Of the draws.

    Examples
    --------
    >>> BandSearch(n_iter=20)
    BandSearch(n_iter=20)
    """

    def __init__(
        self,
        n_iter: int = 100,
        *,
        concentration: Sequence[float] = (0.1, 1.0),
        gammas: ArrayLike | None = None,
        exhaustive: bool = False,
        random_state: Any = 0,
    ) -> None:
        self.n_iter = n_iter
        self.concentration = concentration
        self.gammas = gammas
        self.exhaustive = exhaustive
        self.random_state = random_state

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the parameters."""
        concentration = np.atleast_1d(np.asarray(self.concentration, dtype=np.float64))
        if not isinstance(self.n_iter, int | np.integer) or self.n_iter < 1:
            yield f"n_iter must be a number of shares to try, got {self.n_iter!r}"
        if not concentration.size or not np.all((concentration > 0) & np.isfinite(concentration)):
            yield f"concentration must be positive, got {self.concentration!r}"
        if self.gammas is not None:
            gammas = np.asarray(self.gammas, dtype=np.float64)
            right = gammas.ndim == 2 and len(gammas) and np.isfinite(gammas).all()
            if not (right and (gammas >= 0).all() and np.allclose(gammas.sum(axis=1), 1)):
                yield "gammas must be shares (candidate, band) that are 0 or more and sum to one"

    def shares(self, bands: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the given shares of some bands; None where they are drawn.

        Raises
        ------
        ValueError
            If they are of another number of bands.
        """
        if self.gammas is None:
            return None
        gammas = np.asarray(self.gammas, dtype=np.float64)
        if gammas.shape[1] != bands.size:
            raise ValueError(
                f"gammas are of {gammas.shape[1]} bands, but X has {bands.size}: "
                f"{', '.join(map(str, bands))}"
            )
        return gammas


SEARCHES = {"random": BandSearch()}


def read_search(given: Any) -> tuple[BandSearch, list[str]]:
    """Return a search, and what is wrong with a user's."""
    if isinstance(given, BandSearch):
        return given, list(given.mistakes())
    if isinstance(given, str) and given in SEARCHES:
        return SEARCHES[given], []
    told = unknown_name("search", given, SEARCHES)
    return BandSearch(), [f"{told}, or give a BandSearch(n_iter=...)"]
