import numpy as np
import pytest
from scipy import fft

from encodekit.scoring import BlockNull, PhaseNull, ProductNull, ShiftNull, SignNull
from encodekit.scoring._nulls import Part, make_null

NULLS = [PhaseNull(), SignNull(), BlockNull(10), ShiftNull(5), ProductNull(10)]


def columns(n_trs, n=3, seed=0):
    """Return two arrays (time, n) of columns with mean 0 and norm 1."""
    values = np.random.default_rng(seed).standard_normal((2, n_trs, n)).cumsum(axis=1)
    values -= values.mean(axis=1, keepdims=True)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def drawn(null, y, p, n=20):
    draws = null.draw(np.random.default_rng(1), len(y), n)
    return draws, null.statistics(y, p, draws)


@pytest.mark.parametrize(
    "null", [PhaseNull(), SignNull(), BlockNull(10), ProductNull(10)], ids=lambda null: null.name
)
@pytest.mark.parametrize("n_trs", [40, 41])
def test_the_first_statistic_is_r(null, n_trs):
    y, p = columns(n_trs)
    found = drawn(null, y, p)[1]
    assert found.shape == (21, 3)
    np.testing.assert_allclose(
        found[0], [np.corrcoef(*pair)[0, 1] for pair in zip(y.T, p.T, strict=True)], atol=1e-6
    )


@pytest.mark.parametrize("n_trs", [40, 41])
def test_phases_are_turned_as_by_hand(reference, n_trs):
    y, p = columns(n_trs)
    draws, found = drawn(PhaseNull(), y, p)
    cosines, minus_sines = np.split(draws, 2, axis=1)
    for angles, values in zip(np.arctan2(-minus_sines, cosines), found, strict=True):
        expected = [reference.pearson(y[:, j], reference.turned(p[:, j], angles)) for j in range(3)]
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_signs_are_those_of_cosine_coefficients(reference):
    y, p = columns(40)
    draws, found = drawn(SignNull(), y, p)
    assert set(np.unique(draws)) == {-1, 1}
    for signs, values in zip(draws, found, strict=True):
        coefficients = fft.dct(p, axis=0, norm="ortho")
        coefficients[1:] *= signs[:, None]
        surrogate = fft.idct(coefficients, axis=0, norm="ortho")
        expected = [reference.pearson(y[:, j], surrogate[:, j]) for j in range(3)]
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_products_are_flipped_by_blocks():
    y, p = columns(43)
    draws, found = drawn(ProductNull(10), y, p)
    assert set(np.unique(draws)) == {-1, 1}
    assert (np.diff(draws, axis=1) != 0).sum(axis=1).max() == 3
    expected = (draws[:, :, None] * (y * p)).sum(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("null", NULLS, ids=lambda null: null.name)
@pytest.mark.parametrize("n_trs", [38, 39, 20])
def test_draws_serve_longer_trs_of_the_same_duration(null, n_trs):
    """They are draws of that length, and where nothing is scrambled, nothing is."""
    longer = null.draw(np.random.default_rng(1), 43, 30)
    y, p = columns(n_trs)
    cut = null.resize(longer, n_trs, 43)
    assert cut.shape == null.draw(np.random.default_rng(1), n_trs, 30).shape
    found = null.statistics(y, p, cut)
    unchanged = null.statistics(y, p, null.draw(np.random.default_rng(1), n_trs, 0))
    np.testing.assert_allclose(found[0], unchanged[0], rtol=1e-5)
    own = null.statistics(y, p, null.draw(np.random.default_rng(2), n_trs, 30))
    assert found[1:].std() == pytest.approx(own[1:].std(), rel=0.4)


@pytest.mark.parametrize("null", NULLS, ids=lambda null: null.name)
@pytest.mark.parametrize("start", [0, 5, 13])
def test_a_part_of_a_story_is_scrambled_as_all_of_it(null, start):
    """In rows that a run lacks both sides are 0, and what is spread over more rows is scaled."""
    y, p = columns(30)
    draws = null.draw(np.random.default_rng(1), 43, 40)
    found = null.of_part(y, p, draws, Part(np.arange(start, start + 30), 43))
    own = null.statistics(y, p, null.draw(np.random.default_rng(2), 30, 40))
    np.testing.assert_allclose(found[0], own[0], atol=1e-5)
    if null.name == "product":
        signs = draws[:, start : start + 30]
        np.testing.assert_allclose(found, (signs[:, :, None] * (y * p)).sum(axis=1), atol=1e-6)
    elif null.name != "shift":
        sides = np.zeros((2, 43, 3), np.float32)
        sides[:, start : start + 30] = y, p
        by_hand = null.statistics(*sides, draws)[1:] * np.sqrt(43 / 30)
        np.testing.assert_allclose(found[1:], by_hand, atol=1e-5)


def test_blocks_keep_their_inside_and_every_row_comes_once():
    draws = BlockNull(10).draw(np.random.default_rng(0), 43, 50)
    assert (np.sort(draws, axis=1) == np.arange(43)).all()
    assert ((np.diff(draws, axis=1) != 1).sum(axis=1) <= 3).all()
    assert len(np.unique(draws, axis=0)) > 10
    y, p = columns(43)
    found = BlockNull(10).statistics(y, p, draws)
    np.testing.assert_allclose(found[7], (y * p[draws[7]]).sum(axis=0), atol=1e-6)


def test_a_shift_is_r_of_the_overlap_over_its_standard_error(reference):
    y, p = columns(30)
    draws, found = drawn(ShiftNull(5), y, p)
    assert draws[0] == 0
    assert set(np.abs(draws)) <= {0, *range(5, 16)}
    for lag, values in zip(draws, found, strict=True):
        expected = [reference.overlap_t(y[:, j], p[:, j], int(lag)) for j in range(3)]
        np.testing.assert_allclose(values, expected, rtol=1e-3)


@pytest.mark.parametrize("null", NULLS, ids=lambda null: null.name)
def test_all_targets_are_scrambled_alike(null):
    y, p = columns(60)
    found = drawn(null, np.repeat(y[:, :1], 2, axis=1), np.repeat(p[:, :1], 2, axis=1))[1]
    np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=1e-4)


def test_an_unknown_null_is_answered_with_close_matches():
    with pytest.raises(ValueError, match="unknown null 'phases': did you mean 'phase'"):
        make_null("phases")
