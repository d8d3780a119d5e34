"""What chooses alpha: the criteria that ``scoring`` names, by what they average over."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from encodekit.core import unknown_name


@dataclass(frozen=True)
class Criterion:
    """How the held-out rows of a cross-validation make one score of a target.

    Attributes
    ----------
    correlates : bool
        Whether it is r, and not R2.
    by_fold : bool
        Whether each fold has a score of its own, over all its held-out rows, and the score is
        their plain mean. If not, r is taken within each held-out run and weighted by its TRs, and
        R2 is one fraction over the held-out rows of all folds.
    """

    correlates: bool
    by_fold: bool


CRITERIA = MappingProxyType(
    {
        "correlation": Criterion(correlates=True, by_fold=False),
        "correlation_folds": Criterion(correlates=True, by_fold=True),
        "r2_pooled": Criterion(correlates=False, by_fold=False),
        "r2_folds": Criterion(correlates=False, by_fold=True),
    }
)


def scoring_mistakes(scoring: Any) -> list[str]:
    """Return what is wrong with a user's ``scoring``."""
    # The two choose other alphas, and each is what some users call R2: neither is guessed.
    if isinstance(scoring, str) and scoring.lower() == "r2":
        return [
            f"scoring={scoring!r} could be two things: use 'r2_folds' (mean over folds of R2 "
            "against the held-out fold's own mean: scikit-learn's and himalaya's) or 'r2_pooled' "
            "(R2 over the held-out rows of all folds against the training means: ek.r2)"
        ]
    if isinstance(scoring, str) and scoring in CRITERIA:
        return []
    return [unknown_name("scoring", scoring, CRITERIA)]
