import numpy as np
import pytest
from sklearn.metrics import r2_score

import encodekit as ek


def test_against_the_mean_of_the_same_rows_it_is_that_of_scikit_learn():
    true, predicted = np.random.default_rng(0).standard_normal((2, 50, 3))
    theirs = r2_score(true, predicted, multioutput="raw_values")
    assert np.allclose(ek.r2(true, predicted, mean=true.mean(axis=0)), theirs)


def test_predicting_the_training_mean_scores_zero(two_runs):
    true = two_runs(0)
    predicted = [run.copy(data=np.full(run.shape, 0.7)) for run in true]
    assert np.allclose(ek.r2(true, predicted, mean=0.7), 0)


def test_it_takes_the_training_mean_that_a_model_wrote(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    marked = [run.assign_coords(training_mean=("target", [1.0, 2.0, 3.0])) for run in predicted]
    assert np.allclose(ek.r2(true, marked), ek.r2(true, predicted, mean=np.array([1.0, 2.0, 3.0])))
    assert ek.r2(true, marked).attrs["metric"] == "r2"


def test_no_training_mean_is_refused(two_runs):
    with pytest.raises(ValueError, match="predicted does not carry it: pass mean="):
        ek.r2(two_runs(0), two_runs(1))


def test_a_mean_of_other_targets_is_refused(two_runs):
    true = two_runs(0)
    mean = true[0].mean("time")[::-1]
    with pytest.raises(ValueError, match="true and mean have the same targets in another order"):
        ek.r2(true, two_runs(1), mean=mean)


def test_a_mean_of_another_length_is_refused(two_runs):
    with pytest.raises(ValueError, match=r"mean has shape \(2,\), expected one number or one for"):
        ek.r2(two_runs(0), two_runs(1), mean=[1.0, 2.0])


def test_constants_and_nan_score_nan(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    for run in true:
        run.values[:, 0] = 3
    predicted[0].values[0, 1] = np.nan
    scores = ek.r2(true, predicted, mean=0)
    assert np.isnan(scores).values.tolist() == [True, True, False]


def test_missing_rows_of_a_participant_are_left_out(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    whole = ek.r2(true[1:], predicted[1:], mean=0)
    true[0] = true[0] * np.nan
    assert np.allclose(ek.r2(true, predicted, mean=0), whole)
    assert np.isnan(ek.r2([run * np.nan for run in true], predicted, mean=0)).all()
