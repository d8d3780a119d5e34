import numpy as np
import pytest

from encodekit_brain_tuning.strategies import SharedResponseModel

NAMES = ["P1", "P2", "P3"]


def orthogonal(rng, n, k):
    return np.linalg.qr(rng.standard_normal((n, k)))[0]


def simulate(noise=0.0, n_trs=60, n_targets=10, k=3, seed=0):
    """Values, their presence, the shared responses and the maps."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n_trs, k)) * [5, 3, 2]
    maps = [orthogonal(rng, n_targets, k) for _ in NAMES]
    values = np.stack([shared @ own.T for own in maps])
    values += noise * rng.standard_normal(values.shape)
    return values, np.ones(values.shape, dtype=bool), shared, maps


def test_without_noise_it_explains_everything_by_orthogonal_maps():
    values, there, _, _ = simulate()
    model = SharedResponseModel(3).fit(values, there, NAMES)
    shared, _ = model.transform(values, there)
    for own, rows in zip(model.maps_, values, strict=True):
        np.testing.assert_allclose(own.T @ own, np.eye(3), atol=1e-10)
        np.testing.assert_allclose(shared @ own.T, rows, atol=1e-4)


def test_it_finds_what_all_share_better_than_one_participant_has_it():
    values, there, shared, maps = simulate(noise=1.0)
    found, _ = SharedResponseModel(3).fit(values, there, NAMES).transform(values, there)
    turned = found @ np.linalg.lstsq(found, shared, rcond=None)[0]
    alone = values[0] @ maps[0]
    assert np.abs(turned - shared).mean() < 0.8 * np.abs(alone - shared).mean()


def test_the_error_is_what_its_formula_says_and_never_rises():
    values, there, _, _ = simulate(noise=3.0)
    model = SharedResponseModel(2).fit(values, there, NAMES)
    shared, _ = model.transform(values, there)
    error = sum(((rows - shared @ own.T) ** 2).sum()
                for rows, own in zip(values, model.maps_, strict=True))  # fmt: skip
    assert model.errors_[-1] == pytest.approx(error, rel=1e-5)
    assert len(model.errors_) > 2
    assert (np.diff(model.errors_) <= 1e-9).all()


def test_a_participant_who_lacks_a_target_or_a_tr_does_not_count_there():
    values, there, _, _ = simulate()
    there[0, :, 4] = False
    there[1, 7] = False
    model = SharedResponseModel(3).fit(values, there, NAMES)
    assert not model.maps_[0][4].any()
    assert model.used_.sum(axis=1).tolist() == [9, 10, 10]
    shared, anybody = model.transform(values, there)
    assert anybody.all()
    np.testing.assert_allclose(
        shared[7], (values[0, 7] @ model.maps_[0] + values[2, 7] @ model.maps_[2]) / 2, rtol=1e-4
    )


def test_validation_goes_through_the_maps_of_the_tuning_runs():
    values, there, _, _ = simulate()
    model = SharedResponseModel(3).fit(values, there, NAMES)
    later = values[:, :5] * 2
    expected = np.mean([rows @ own for rows, own in zip(later, model.maps_, strict=True)], axis=0)
    np.testing.assert_allclose(model.transform(later, there[:, :5])[0], expected, rtol=1e-5)


def test_too_few_targets_or_trs_in_common_are_refused_in_one_message():
    values, there, _, _ = simulate()
    there[1, :, 2:] = False
    there[2, 2:] = False
    with pytest.raises(ValueError, match="the participants have 2 TRs in common; P2 has 2 targets"):
        SharedResponseModel(3).fit(values, there, NAMES)
