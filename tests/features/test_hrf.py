import numpy as np
import pytest
from nilearn.glm.first_level import glover_hrf, spm_hrf

from encodekit.features import CanonicalHRF, canonical_hrf


@pytest.mark.parametrize(("shape", "theirs"), [("glover", glover_hrf), ("spm", spm_hrf)])
def test_the_curve_is_nilearns(shape, theirs):
    n = 3200  # nilearn samples 0 to 32 s both included, and begins one step late
    curve = theirs(1.0, oversampling=100, time_length=32.0)
    ours = canonical_hrf(np.linspace(0, 32, n) - 0.01, shape)
    np.testing.assert_allclose(ours / ours.sum(), curve, atol=1e-3 * curve.max())


@pytest.mark.parametrize(("shape", "peak"), [("spm", 5.0), ("glover", 5.0)])
def test_the_response_peaks_after_5_seconds(shape, peak):
    seconds = np.arange(0, 32, 0.01)
    assert seconds[canonical_hrf(seconds, shape).argmax()] == pytest.approx(peak, abs=0.05)


def test_a_constant_keeps_its_value_where_all_history_is_there(make_rows):
    rows = make_rows(np.full((40, 2), 3.0), n_history=16, first=100.0)
    out = CanonicalHRF().fit_transform(rows)
    assert out.sizes["time"] == 24
    assert out.attrs["history"] == 0.0
    np.testing.assert_allclose(out, 3)


def test_rows_are_the_convolution_with_the_weights(make_rows):
    values = np.random.default_rng(0).standard_normal((30, 2))
    out = CanonicalHRF().fit_transform(make_rows(values)).values
    weights = CanonicalHRF().weights(2.0)
    for f in range(2):
        np.testing.assert_allclose(out[:, f], np.convolve(values[:, f], weights)[:30])


def test_history_counts_as_the_run_itself(make_rows):
    values = np.random.default_rng(0).standard_normal((30, 1))
    whole = CanonicalHRF().fit_transform(make_rows(values)).values
    cut = CanonicalHRF().fit_transform(make_rows(values, n_history=10, first=20.0)).values
    np.testing.assert_allclose(cut, whole[10:])


def test_it_does_not_cross_run_borders(make_rows):
    both = make_rows([[1.0]] * 5 + [[0.0]] * 5, runs=list("aaaaabbbbb"))
    assert (CanonicalHRF().fit_transform(both).values[5:] == 0).all()


def test_too_little_history_names_what_to_ask_for(make_rows):
    rows = make_rows(np.ones((10, 1)), n_history=2, first=100.0)
    with pytest.raises(ValueError, match="history=30 or more"):
        CanonicalHRF().fit_transform(rows)


def test_an_unknown_shape_is_answered_with_close_matches(make_rows):
    with pytest.raises(ValueError, match="did you mean 'glover'"):
        CanonicalHRF("Glovr").fit_transform(make_rows(np.ones((3, 1))))


def test_a_response_that_is_too_short_is_refused(make_rows):
    with pytest.raises(ValueError, match="has no weight at a TR of 2 s"):
        CanonicalHRF(length=1.0).fit_transform(make_rows(np.ones((3, 1))))


def test_an_array_is_refused():
    with pytest.raises(TypeError, match="takes the DataArray of an extractor, got ndarray"):
        CanonicalHRF().fit_transform(np.ones((3, 1)))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "bool"])
def test_whole_numbers_are_convolved_as_their_floats_are(make_rows, kind):
    counts = make_rows((np.arange(30) % 7 == 0)[:, None].astype(kind))
    out = CanonicalHRF().fit_transform(counts).values[:, 0]
    expected = np.convolve(counts.values[:, 0].astype("f8"), CanonicalHRF().weights(2.0))[:30]
    np.testing.assert_allclose(out, expected)
