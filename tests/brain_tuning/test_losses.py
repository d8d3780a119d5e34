import numpy as np
import pytest
import torch
from scipy.special import huber

import encodekit as ek
from encodekit_brain_tuning.losses import (
    Hybrid,
    correlation,
    cosine_l2,
    counts_values,
    huber_cosine,
    joint_equals_mean,
    l2,
    loss_at,
    temporal_correlation,
)

OVER_PAIRS = [l2, correlation, cosine_l2, huber_cosine]
LOSSES = [*OVER_PAIRS, temporal_correlation, Hybrid()]


@pytest.fixture
def batch():
    make = torch.Generator().manual_seed(0)
    shape = (2, 3, 5)  # participant, TR, target
    predicted = torch.randn(1, 3, 5, generator=make, dtype=torch.float64)
    true = torch.randn(shape, generator=make, dtype=torch.float64)
    return predicted, true, torch.ones(shape, dtype=torch.float64)


def slow(name, p, r):
    """One pair's loss, from its formula."""
    cosine = p @ r / np.sqrt((p @ p) * (r @ r))
    squared = np.mean((p - r) ** 2)
    return {
        "l2": squared,
        "correlation": 1 - np.corrcoef(p, r)[0, 1],
        "cosine_l2": 0.5 * (1 - cosine) + 0.5 * squared,
        "huber_cosine": np.mean(huber(0.6, p - r)) + 1 - cosine,
    }[name]


@pytest.mark.parametrize("loss", OVER_PAIRS)
def test_a_loss_is_its_formula_averaged_over_pairs(loss, batch):
    predicted, true, _ = batch
    expected = np.mean(
        [slow(loss.__name__, predicted[0, t].numpy(), true[p, t].numpy())
         for p in range(2) for t in range(3)]
    )  # fmt: skip
    assert float(loss(*batch)) == pytest.approx(expected, abs=1e-9)


def test_temporal_correlation_is_r_over_the_trs_of_each_participants_targets():
    make = np.random.default_rng(0)
    predicted, true = make.standard_normal((1, 2, 4, 3)), make.standard_normal((2, 2, 4, 3))
    mask = np.ones(true.shape)
    mask[1, 1, 2:, 0] = 0
    mask[0, :, :, 2] = 0
    mask[0, 0, 0, 2] = 1  # one TR has no r
    apart, n = [], []
    for person in range(2):
        for target in range(3):
            there = mask[person, :, :, target] > 0
            if there.sum() > 1:
                series = predicted[0, :, :, target][there], true[person, :, :, target][there]
                apart.append(1 - np.corrcoef(*series)[0, 1])
                n.append(there.sum())
    assert len(n) == 5
    loss = temporal_correlation(*(torch.from_numpy(part) for part in (predicted, true, mask)))
    assert float(loss) == pytest.approx(np.average(apart, weights=n), abs=1e-9)


@pytest.mark.parametrize("loss", OVER_PAIRS)
def test_a_weight_counts_a_value_that_much(loss, batch):
    """Doubling a target's weight is having the target twice."""
    predicted, true, mask = batch
    twice = [torch.cat([part, part[..., -1:]], -1) for part in (predicted, true, mask)]
    mask[..., -1] = 2
    torch.testing.assert_close(loss(predicted, true, mask), loss(*twice))


def test_a_hybrid_is_its_first_loss_then_a_mixture_then_its_second(batch):
    hybrid = Hybrid("correlation", "l2", begin=0.2, end=0.6)
    first, then = correlation(*batch), l2(*batch)
    for progress, expected in [(0.1, first), (0.3, 0.75 * first + 0.25 * then), (0.6, then)]:
        torch.testing.assert_close(loss_at(hybrid, progress)(*batch), expected)
    torch.testing.assert_close(hybrid(*batch), then)
    assert loss_at(l2, 0.1) is l2


def test_a_hybrid_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match="0 <= begin <= end <= 1"):
        Hybrid(begin=0.8, end=0.5)


def test_a_loss_says_whether_it_counts_values_or_pairs():
    assert [counts_values(loss) for loss in LOSSES] == [True, False, False, False, True, False]


@pytest.mark.parametrize("loss", LOSSES)
def test_masked_targets_leave_the_loss_of_the_rest(loss, batch):
    predicted, true, mask = batch
    mask[..., 4] = 0
    true[..., 4] = torch.nan
    shorter = loss(predicted[..., :4], true[..., :4], mask[..., :4])
    torch.testing.assert_close(loss(predicted, true, mask), shorter)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_missing_participant_leaves_the_loss_of_the_others(loss, batch):
    predicted, true, mask = batch
    mask[1] = 0
    true[1] = torch.nan
    torch.testing.assert_close(
        loss(predicted, true, mask), loss(predicted, true[:1], torch.ones_like(mask[:1]))
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("missing", [False, True])
def test_gradients_are_right(loss, missing, batch):
    predicted, true, mask = batch
    if missing:
        mask[0, 0] = 0
        mask[1, :, 2] = 0
    assert torch.autograd.gradcheck(
        lambda p: loss(p, true, mask), predicted.clone().requires_grad_()
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_to_compare_is_zero_with_zero_gradient(loss, batch):
    predicted, true, mask = batch
    predicted = predicted.clone().requires_grad_()
    value = loss(predicted, true * torch.nan, torch.zeros_like(mask))
    value.backward()
    assert value.item() == 0
    assert float(predicted.grad.abs().sum()) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_a_prediction_that_does_not_vary_has_finite_gradients(loss, batch):
    predicted, true, mask = batch
    flat = torch.zeros_like(predicted, requires_grad=True)
    loss(flat, true, mask).backward()
    assert torch.isfinite(flat.grad).all()


def test_correlation_is_exact_in_float32_far_from_zero_and_under_autocast():
    rng = np.random.default_rng(0)
    true = rng.standard_normal((3, 4, 20_000)) - 50
    predicted = true[:1] + 3 * rng.standard_normal((1, 4, 20_000)) + 200
    mask = rng.random(true.shape) < 0.7
    expected = np.mean([
        1 - np.corrcoef(predicted[0, row][mask[one, row]], true[one, row][mask[one, row]])[0, 1]
        for one, row in np.ndindex(3, 4)
    ])  # fmt: skip
    tensors = [torch.from_numpy(part).float() for part in (predicted, true, mask)]
    assert float(correlation(*tensors)) == pytest.approx(expected, abs=2e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(correlation(*tensors)) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_does_not_vary_among_a_pairs_own_targets_has_no_correlation(dtype):
    make = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 3000, dtype=dtype)
    mask[:, :200] = 1
    noise = torch.randn(1, 3000, generator=make, dtype=dtype)
    flat = torch.where(mask > 0, 3.0, noise)  # far from the rest
    for predicted, true in ((flat, noise), (flat + mask * noise, torch.full_like(noise, 0.3))):
        found = predicted.clone().requires_grad_()
        loss = correlation(found, true, mask)
        loss.backward()
        assert float(loss.detach()) == pytest.approx(1, abs=1e-6)
        assert float(found.grad.abs().max()) < 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_one_weight_may_stand_for_all_targets(loss, batch):
    predicted, true, mask = batch
    torch.testing.assert_close(loss(predicted, true, mask[..., :1]), loss(predicted, true, mask))


def test_only_l2_says_that_joint_tuning_equals_the_mean():
    assert [joint_equals_mean(loss) for loss in LOSSES] == [True, *[False] * 5]


@pytest.mark.parametrize("loss", [*OVER_PAIRS, temporal_correlation])
def test_losses_are_registered_by_name(loss):
    assert ek.make_loss(loss.__name__) is loss


def test_a_hybrid_is_registered_with_its_parameters():
    assert ek.make_loss("hybrid", begin=0.1) == Hybrid(begin=0.1)


def test_an_unknown_loss_is_answered_with_a_close_match():
    with pytest.raises(ValueError, match="correlation"):
        ek.make_loss("corelation")
