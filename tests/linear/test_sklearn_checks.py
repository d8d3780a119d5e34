"""scikit-learn's own estimator checks, counted."""

import pytest
from sklearn.model_selection import KFold
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from encodekit import RidgeCV

EXEMPT: dict[str, str] = {}


def _estimator():
    return RidgeCV(cv=KFold(3))


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
@parametrize_with_checks([_estimator()], expected_failed_checks=lambda _: EXEMPT)
def test_ridge_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_checks_are_still_run():
    checks = list(estimator_checks_generator(_estimator(), legacy=True))
    assert len(checks) >= 50
