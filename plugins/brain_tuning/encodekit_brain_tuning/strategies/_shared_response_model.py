"""The shared response model: what several participants' fMRI has in common, in k components."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Values = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
_MOST_ROUNDS = 100
_TOLERANCE = 1e-6


class SharedResponseModel:
    r"""Minimise :math:`\sum_p \|X_p - S W_p^T\|^2` with :math:`W_p^T W_p = I`.

    :math:`X_p` is (time, target), :math:`S` (time, k) is shared, :math:`W_p` (target, k) is each
    participant's own map. Rounds of :math:`S = \mathrm{mean}_p X_p W_p` and
    :math:`W_p = U V^T` of :math:`X_p^T S`, from the first k left singular vectors of all targets
    side by side, until the error falls by less than a millionth. Nothing is random.

    Parameters
    ----------
    n_components : int
        k; at most as many as any participant has targets.

    Attributes
    ----------
    maps_ : list of array (n_targets, k)
        Rows of 0 for targets that were not used.
    used_ : array of bool (n_participants, n_targets)
        Targets that the participant has in every TR of the fit.
    errors_ : list of float
        The error after each round.

    Notes
    -----
    Chen et al. (2015), "A reduced-dimension fMRI shared response model", NeurIPS 28, in its
    deterministic form.
    """

    def __init__(self, n_components: int) -> None:
        self.n_components = n_components

    def fit(self, values: Values, there: Mask, names: Sequence[str]) -> Self:
        """Fit the maps on the TRs that all participants have.

        Parameters
        ----------
        values : array (n_participants, n_trs, n_targets)
        there : array of bool, of the same shape
        names : sequence of str
            The participants, for messages.

        Raises
        ------
        ValueError
            If fewer than ``n_components`` TRs, or targets of a participant, are there.
        """
        common = np.asarray(there.any(axis=2).all(axis=0))
        self.used_: Mask = np.asarray(there[:, common].all(axis=1))
        self._check(int(common.sum()), names)
        people = [
            values[person][:, used][common].astype(np.float64)
            for person, used in enumerate(self.used_)
        ]
        maps = self._rounds(people)
        self.maps_ = [np.zeros((values.shape[2], self.n_components)) for _ in names]
        for whole, part, used in zip(self.maps_, maps, self.used_, strict=True):
            whole[used] = part
        return self

    def transform(self, values: Values, there: Mask) -> tuple[NDArray[np.float32], Mask]:
        """Return the shared responses (n_trs, k), and which TRs anybody has.

        A participant counts in a TR where all the targets of their map are there.
        """
        total = np.zeros((values.shape[1], self.n_components))
        count = np.zeros(values.shape[1])
        for person, (used, weights) in enumerate(zip(self.used_, self.maps_, strict=True)):
            whole = there[person][:, used].all(axis=1)
            total += whole[:, None] * (values[person] @ weights)
            count += whole
        return (total / np.maximum(count, 1)[:, None]).astype(np.float32), count > 0

    def _check(self, n_common: int, names: Sequence[str]) -> None:
        few = [
            f"{name} has {n} targets in all of them"
            for name, n in zip(names, self.used_.sum(axis=1).tolist(), strict=True)
            if n < self.n_components
        ]
        if n_common < self.n_components:
            few = [f"the participants have {n_common} TRs in common", *few]
        if few:
            raise ValueError(
                f"a shared response of n_components={self.n_components} needs as many TRs that all "
                f"heard and targets there: {'; '.join(few)}: lower n_components, or leave out a "
                "participant or the targets that somebody lacks"
            )

    def _rounds(self, people: Sequence[Values]) -> list[Values]:
        gram = np.sum([rows @ rows.T for rows in people], axis=0)
        last = len(gram) - 1
        sizes, left = eigh(gram, subset_by_index=[last - self.n_components + 1, last])
        shared = left[:, ::-1] * np.sqrt(np.maximum(sizes[::-1], 0))
        squares = sum(float((rows**2).sum()) for rows in people)
        self.errors_ = []
        for _ in range(_MOST_ROUNDS):
            maps = [_nearest_orthogonal(rows.T @ shared) for rows in people]
            shared = np.mean([rows @ own for rows, own in zip(people, maps, strict=True)], axis=0)
            # ||X - S W'||^2 = ||X||^2 - 2 <X W, S> + ||S||^2, summed over people
            self.errors_.append(squares - len(people) * float((shared**2).sum()))
            if len(self.errors_) > 1 and self.errors_[-2] - self.errors_[-1] < _TOLERANCE * squares:
                break
        return maps


def _nearest_orthogonal(matrix: Values) -> Values:
    """Return U V' of ``matrix`` = U S V'."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    product: Values = left @ right
    return product
