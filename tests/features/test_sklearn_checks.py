import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from encodekit.features import Delayer, FeatureTransformer, RunScaler

BY_ROWS = {
    Delayer: {
        "check_methods_subset_invariance": "rows depend on the rows before them",
        "check_methods_sample_order_invariance": "the order of rows is time",
    },
    FeatureTransformer: {},
    RunScaler: {"check_methods_subset_invariance": "rows depend on their whole run"},
}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [Delayer([0, 1]), RunScaler(), FeatureTransformer(StandardScaler())],
    expected_failed_checks=lambda estimator: BY_ROWS[type(estimator)],
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
