import numpy as np
import pytest

import encodekit as ek


def fits_same(model, X, Y, columns):
    expected = ek.RidgeCV().fit(X, Y.isel(target=columns))
    model.fit(X, Y)
    assert model.predict(X).identical(expected.predict(X))
    assert model.score(X, Y) == pytest.approx(expected.score(X, Y.isel(target=columns)))


def test_names_choose_targets_in_their_order(labelled):
    fits_same(ek.RidgeCV(targets=["P1/00002", "P1/00000"]), *labelled(), [2, 0])


def test_a_region_selector_chooses_targets(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    fits_same(ek.RidgeCV(targets=ek.RegionSelector(regions=["A1"])), X, Y, [0, 1, 3, 4])


def test_a_function_chooses_targets(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    model = ek.RidgeCV(targets=lambda Y: Y.isel(target=Y.participant.values == "P2"))
    fits_same(model, X, Y, [3, 4, 5])


def test_positions_choose_the_targets_of_an_array(labelled):
    X, Y = labelled()
    model = ek.RidgeCV(targets=[2]).fit(X.values, Y.values, runs=X.run.values)
    assert model.coef_.shape == (20, 1)
    alone = ek.RidgeCV().fit(X.values, Y.values[:, 2], runs=X.run.values)
    assert np.allclose(model.coef_[:, 0], alone.coef_)
    by_target = model.score_targets(X.values, Y.values, runs=X.run.values)
    assert by_target[0] == pytest.approx(alone.score(X.values, Y.values[:, 2], runs=X.run.values))


def test_unknown_names_are_answered_with_close_ones(labelled):
    X, Y = labelled()
    with pytest.raises(ValueError, match=r"unknown target 'P1/0002': did you mean 'P1/00002'"):
        ek.RidgeCV(targets=["P1/0002"]).fit(X, Y)
    with pytest.raises(ValueError, match=r"unknown target .*\(and 1 more\)"):
        ek.RidgeCV(targets=["a", "b", "c", "d"]).fit(X, Y)


@pytest.mark.parametrize("targets", ["P1/00000", 3])
def test_what_names_no_targets_is_refused(labelled, targets):
    X, Y = labelled()
    with pytest.raises(TypeError, match="expected a list of names, a selector with transform"):
        ek.RidgeCV(targets=targets).fit(X, Y)


def test_names_of_regions_choose_their_targets(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    fits_same(ek.RidgeCV(targets=["A1"]), X, Y, [0, 1, 3, 4])


def test_names_of_targets_and_of_regions_are_not_mixed(labelled):
    X, Y = labelled()
    with pytest.raises(ValueError, match="unknown target 'A1'"):
        ek.RidgeCV(targets=["P1/00000", "A1"]).fit(X, Y)
