"""Check a loss: ``loss(predicted, true, mask)``, a scalar with a gradient."""

from collections.abc import Callable
from functools import partial
from typing import Any

from encodekit.core import import_extra
from encodekit.testing._digest import digest
from encodekit.testing._run_checks import Skip, require, run_checks

_PAIRS, _TARGETS = 12, 7


def check_loss(loss: Callable[..., Any], *, skip: Skip | None = None) -> tuple[str, ...]:
    """Check that a loss keeps the contract.

    It is called as ``loss(predicted, true, mask)`` with torch tensors ``(..., n_targets)`` that
    broadcast together; the leading axes count (TR, participant) pairs, and ``mask`` weighs each
    value: 0 where a participant lacks it (``true`` may then be NaN), n to count it n times. The
    result is a scalar; with nothing to compare it is 0.

    Parameters
    ----------
    loss : callable
        What ``make_loss`` returns: a function, or an object that can be called.
    skip : mapping of check to reason, optional
        Checks that do not apply.

    Returns
    -------
    tuple of str
        The checks that passed.

    Raises
    ------
    ContractError
        With every check that failed and why.
    """
    return run_checks(f"the loss {_name(loss)}", LOSS_CHECKS, LossCase(loss), skip)


def _name(loss: Any) -> str:
    if isinstance(loss, partial):
        return _name(loss.func)
    return str(getattr(loss, "__name__", None) or type(loss).__name__)


class LossCase:
    """A loss, and predicted and true responses of some pairs."""

    def __init__(self, loss: Callable[..., Any]) -> None:
        self.loss = loss
        self.torch: Any = import_extra("torch", extra="speech", purpose="check_loss")
        random = self.torch.Generator().manual_seed(3)
        shape = (_PAIRS, _TARGETS)
        self.true = self.torch.randn(shape, generator=random)
        self.predicted = 0.5 * self.true + self.torch.randn(shape, generator=random)
        self.mask = (self.torch.rand(shape, generator=random) > 0.2).float()
        self.ones = self.torch.ones(shape)

    def gradient(self, predicted: Any, true: Any, mask: Any) -> Any:
        """Return the gradient with respect to ``predicted``."""
        leaf = predicted.clone().requires_grad_()
        self.loss(leaf, true, mask).backward()
        return leaf.grad

    def close(self, one: Any, other: Any) -> bool:
        """Tell whether two tensors agree to rounding."""
        return bool(self.torch.allclose(one, other, rtol=1e-4, atol=1e-6))


def it_is_described(case: LossCase) -> None:
    """The function, or the class, has a docstring."""
    loss = case.loss.func if isinstance(case.loss, partial) else case.loss
    require((loss.__doc__ or "").strip(), "it has no docstring")


def the_result_is_a_finite_scalar(case: LossCase) -> None:
    """One number without axes, of the prediction's dtype."""
    value = case.loss(case.predicted, case.true, case.mask)
    require(hasattr(value, "shape"), f"the result is a {type(value).__name__}, expected a tensor")
    require(value.shape == (), f"the result has shape {tuple(value.shape)}, expected a scalar")
    require(bool(case.torch.isfinite(value)), f"the result is {float(value)}")
    require(value.dtype == case.predicted.dtype, f"the result is {value.dtype}")


def a_better_prediction_has_a_lower_loss(case: LossCase) -> None:
    """The truth itself has the lowest loss, and noise a higher one than half the truth."""
    exact, near, far = (
        float(case.loss(predicted, case.true, case.ones))
        for predicted in (case.true, case.predicted, -case.true)
    )
    require(exact < near < far, f"truth {exact:.3g}, near {near:.3g}, its opposite {far:.3g}")


def the_gradient_leads_down(case: LossCase) -> None:
    """The gradient is finite, not zero, and a small step against it lowers the loss."""
    gradient = case.gradient(case.predicted, case.true, case.mask)
    require(bool(case.torch.isfinite(gradient).all()), "the gradient is not finite")
    length = float(gradient.norm())
    require(length > 0, "the gradient is zero")
    before = float(case.loss(case.predicted, case.true, case.mask))
    step = case.predicted - 1e-2 * gradient / length
    after = float(case.loss(step, case.true, case.mask))
    require(after < before, f"a step against the gradient leads from {before:g} to {after:g}")


def what_is_masked_out_has_no_part(case: LossCase) -> None:
    """Where the mask is 0 the truth may be NaN: neither value nor gradient depends on it."""
    absent = case.mask == 0
    blank = case.torch.where(absent, float("nan"), case.true)
    other = case.torch.where(absent, 99.0, case.true)
    moved = case.torch.where(absent, 5.0, case.predicted)
    value = case.loss(case.predicted, case.true, case.mask)
    for what, given in {
        "NaN in the truth": (case.predicted, blank),
        "another truth": (case.predicted, other),
        "another prediction": (moved, case.true),
    }.items():
        changed = case.loss(*given, case.mask)
        require(case.close(changed, value), f"{what} under the mask changes the loss to {changed}")
    gradient = case.gradient(case.predicted, blank, case.mask)
    require(bool((gradient[absent] == 0).all()), "what is masked out has a gradient, or NaN")


def with_nothing_to_compare_it_is_zero(case: LossCase) -> None:
    """A mask of zeros gives 0 and a gradient of zeros."""
    value = case.loss(case.predicted, case.true, 0 * case.ones)
    require(float(value) == 0, f"with nothing to compare it is {float(value)}")
    gradient = case.gradient(case.predicted, case.true * float("nan"), 0 * case.ones)
    require(bool((gradient == 0).all()), "with nothing to compare the gradient is not zero")


def the_order_of_pairs_does_not_matter(case: LossCase) -> None:
    """Pairs in another order, or on two axes, give the same loss."""
    value = case.loss(case.predicted, case.true, case.mask)
    parts = (case.predicted, case.true, case.mask)
    turned = case.loss(*(part.flip(0) for part in parts))
    require(case.close(turned, value), "the loss depends on the order of the pairs")
    folded = case.loss(*(part.reshape(3, -1, _TARGETS) for part in parts))
    require(case.close(folded, value), "the loss depends on how the pairs are laid on axes")


def participants_broadcast(case: LossCase) -> None:
    """One prediction for several participants is compared with each of them."""
    true = case.true.reshape(4, 3, _TARGETS)
    mask = case.mask.reshape(4, 3, _TARGETS)
    predicted = case.predicted[:4, None, :]
    spread = case.loss(predicted, true, mask)
    written = case.loss(predicted.expand(4, 3, _TARGETS).contiguous(), true, mask)
    require(case.close(spread, written), "a prediction that broadcasts gives another loss")


def its_inputs_are_left_as_they_were(case: LossCase) -> None:
    """Nothing that is passed in is changed."""
    parts = [case.predicted, case.true, case.mask]
    before = digest(parts)
    case.loss(*parts)
    require(digest(parts) == before, "the loss changes its inputs")


def joint_equals_mean_is_true_where_it_is_claimed(case: LossCase) -> None:
    """``joint_equals_mean``: the gradient is that of the participants' weighted mean."""
    if not getattr(case.loss, "joint_equals_mean", False):
        return
    true, mask = (part.reshape(4, 3, _TARGETS) for part in (case.true, case.mask))
    predicted = case.predicted[:4]
    joint = case.gradient(predicted[:, None, :], true, mask)[:, 0]
    weights = mask.sum(1)
    mean = (mask * true).sum(1) / weights.clamp_min(1)
    once = case.gradient(predicted, mean, weights)
    require(case.close(joint, once), "joint_equals_mean is claimed, but the gradients differ")


LOSS_CHECKS = (
    it_is_described,
    the_result_is_a_finite_scalar,
    a_better_prediction_has_a_lower_loss,
    the_gradient_leads_down,
    what_is_masked_out_has_no_part,
    with_nothing_to_compare_it_is_zero,
    the_order_of_pairs_does_not_matter,
    participants_broadcast,
    its_inputs_are_left_as_they_were,
    joint_equals_mean_is_true_where_it_is_claimed,
)
