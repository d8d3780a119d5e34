import dask.array as da
import numpy as np
import pytest
from scipy.stats import pearsonr

import encodekit as ek
from encodekit.data import concat_runs


def test_it_is_the_mean_over_runs_weighted_by_their_trs(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    by_hand = [
        (30 * pearsonr(true[0][:, i], predicted[0][:, i]).statistic
         + 50 * pearsonr(true[1][:, i], predicted[1][:, i]).statistic) / 80
        for i in range(3)
    ]  # fmt: skip
    assert np.allclose(ek.correlation(true, predicted), by_hand, atol=1e-6)


def test_a_run_with_another_mean_changes_nothing(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    before = ek.correlation(true, predicted)
    true[1] = true[1] + 100
    assert np.allclose(ek.correlation(true, predicted), before, atol=1e-4)


def test_runs_are_joined_by_name_not_by_position(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    straight = ek.correlation(true, predicted)
    assert np.array_equal(ek.correlation(true, concat_runs(predicted[::-1])), straight)


def test_the_score_carries_the_labels_of_the_targets(two_runs):
    score = ek.correlation(two_runs(0), two_runs(1))
    assert score.dims == ("target",)
    assert score.participant.values.tolist() == ["P1"] * 3
    assert score.n_repeats.values.tolist() == [1] * 3
    assert score.attrs == {"metric": "correlation", "runs": ["a", "b"], "space": "native"}


def test_rows_of_history_do_not_count(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    early = predicted[0].assign_coords(tr=("time", np.arange(30) - 30))
    joined = concat_runs([early, *predicted])
    assert np.array_equal(ek.correlation(true, joined), ek.correlation(true, predicted))


def test_dask_arrays_score_as_arrays_do(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    lazy = [run.copy(data=da.from_array(run.values, chunks=(10, 2))) for run in true]
    assert np.array_equal(ek.correlation(lazy, predicted), ek.correlation(true, predicted))


def test_a_lacking_tr_is_named(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    predicted[1] = predicted[1][:-2]
    with pytest.raises(ValueError, match=r"true has TRs 48-49 of run 'b', which predicted lacks"):
        ek.correlation(true, predicted)


def test_a_lacking_run_is_named(two_runs):
    with pytest.raises(ValueError, match=r"predicted has TRs 0-29 of run 'a', which true lacks"):
        ek.correlation(two_runs(0)[1:], two_runs(1))


def test_the_same_tr_at_another_time_is_refused(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    predicted[0] = predicted[0].assign_coords(seconds=("time", predicted[0].seconds.values + 2))
    with pytest.raises(ValueError, match=r"TR 0 of run 'a' begins at 0 s in true and at 2 s"):
        ek.correlation(true, predicted)


def test_a_run_that_comes_twice_is_refused(two_runs):
    runs = two_runs(0)
    with pytest.raises(ValueError, match=r"true has TRs 0-29 of run 'a' more than once"):
        ek.correlation([runs[0], runs[0]], runs)


def test_other_targets_are_named(two_runs):
    predicted = [run[:, :2] for run in two_runs(1)]
    with pytest.raises(ValueError, match=r"1 targets of true are not in predicted \('P1/00002'\)"):
        ek.correlation(two_runs(0), predicted)


def test_targets_in_another_order_are_refused(two_runs):
    predicted = [run[:, ::-1] for run in two_runs(1)]
    with pytest.raises(ValueError, match=r"another order: target 0 is 'P1/00000' in true"):
        ek.correlation(two_runs(0), predicted)


def test_labels_on_one_side_alone_are_refused(two_runs):
    with pytest.raises(TypeError, match="predicted has no labels, the other side has"):
        ek.correlation(two_runs(0), np.zeros((80, 3)))


def test_a_list_with_something_else_is_refused(two_runs):
    true = two_runs(0)
    with pytest.raises(TypeError, match="true: item 1 of the list is a ndarray"):
        ek.correlation([true[0], true[1].values], two_runs(1))


def test_rows_without_run_are_refused(two_runs):
    true = [run.drop_vars("run") for run in two_runs(0)]
    with pytest.raises(ValueError, match="true has no coordinate run on time"):
        ek.correlation(true, two_runs(1))


def test_runs_beside_labels_are_refused(two_runs):
    with pytest.raises(TypeError, match="runs= is for plain arrays"):
        ek.correlation(two_runs(0), two_runs(1), runs=np.zeros(80))


@pytest.mark.parametrize("shape", [(10,), (10, 2), (9, 3)])
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"true has shape \(10, 3\) and predicted"):
        ek.correlation(np.zeros((10, 3)), np.zeros(shape))


def test_runs_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"runs has shape \(9,\) but the arrays have 10 rows"):
        ek.correlation(np.zeros((10, 3)), np.zeros((10, 3)), runs=np.zeros(9))


def test_a_prediction_of_nan_is_never_scored_as_a_number(two_runs):
    true = two_runs(0)
    scores = ek.correlation(true, [run * np.nan for run in true])
    assert np.isnan(scores).all()
    assert np.isnan(ek.correlation(np.arange(5.0), np.full(5, np.nan)))


def test_one_nan_in_a_prediction_makes_its_target_nan(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    predicted[0].values[3, 1] = np.nan
    assert np.isnan(ek.correlation(true, predicted)).values.tolist() == [False, True, False]


def test_one_nan_in_a_response_makes_its_target_nan(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    true[1].values[3, 2] = np.nan
    assert np.isnan(ek.correlation(true, predicted)).values.tolist() == [False, False, True]


@pytest.mark.parametrize("level", [0.0, 0.1, 1234.567, 1e8])
def test_a_constant_float32_voxel_scores_nan(two_runs, level):
    true, predicted = two_runs(0), two_runs(1)
    for run in true:
        run.values[:, 0] = np.float32(level)
    for run in predicted:
        run.values[:, 1] = np.float32(level)
    assert np.isnan(ek.correlation(true, predicted)).values.tolist() == [True, True, False]


def test_a_run_that_one_participant_lacks_is_left_out_for_that_one(make, join_participants):
    rng = np.random.default_rng(0)
    ys = {(p, r): rng.standard_normal((20, 2)) for p in ("P1", "P2") for r in "ab"}
    guess = {key: rng.standard_normal((20, 2)) for key in ys}

    def runs(values, missing=()):
        return [
            join_participants(*[
                make(values[p, r] * (np.nan if (p, r) in missing else 1), r, p)
                for p in ("P1", "P2")
            ])
            for r in "ab"
        ]  # fmt: skip

    scores = ek.correlation(runs(ys, missing={("P2", "a")}), runs(guess))
    alone = ek.correlation(make(ys["P2", "b"], "b", "P2"), make(guess["P2", "b"], "b", "P2"))
    assert np.allclose(scores[2:], alone)
    assert np.allclose(scores[:2], ek.correlation(runs(ys), runs(guess))[:2])


def test_a_participant_without_any_run_scores_nan(make, join_participants):
    rng = np.random.default_rng(0)
    true, guess = rng.standard_normal((2, 20, 2))
    both = join_participants(make(true), make(true * np.nan, participant="P2"))
    predicted = join_participants(make(guess), make(guess, participant="P2"))
    assert np.isnan(ek.correlation(both, predicted)).values.tolist() == [False, False, True, True]


def test_a_voxel_that_is_constant_up_to_rounding_scores_nan(two_runs):
    true, predicted = two_runs(0), two_runs(1)
    level = np.float32(1234.567)
    for run in true:
        run.values[:, 0] = level
        run.values[::2, 0] = np.nextafter(level, np.float32(0))
    assert np.isnan(ek.correlation(true, predicted)).values.tolist() == [True, False, False]
