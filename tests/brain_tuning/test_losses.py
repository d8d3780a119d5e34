import numpy as np
import pytest
import torch

import encodekit as ek
from encodekit_brain_tuning._losses import correlation, cosine_l2, joint_equals_mean, l2

LOSSES = [l2, correlation, cosine_l2]


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
    }[name]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_its_formula_averaged_over_pairs(loss, batch):
    predicted, true, _ = batch
    expected = np.mean(
        [slow(loss.__name__, predicted[0, t].numpy(), true[p, t].numpy())
         for p in range(2) for t in range(3)]
    )  # fmt: skip
    assert float(loss(*batch)) == pytest.approx(expected, abs=1e-9)


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


def test_only_l2_says_that_joint_tuning_equals_the_mean():
    assert [joint_equals_mean(loss) for loss in LOSSES] == [True, False, False]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_registered_by_name(loss):
    assert ek.make_loss(loss.__name__) is loss


def test_an_unknown_loss_is_answered_with_a_close_match():
    with pytest.raises(ValueError, match="correlation"):
        ek.make_loss("corelation")
