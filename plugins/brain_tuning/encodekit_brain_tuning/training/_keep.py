"""Which weights a tuning keeps, and how that is said."""

import math

import pandas as pd

from encodekit_brain_tuning.training._alignment import Alignment

TWO_SE = 2.0


class RevertedToPretrainedWarning(UserWarning):
    """Tuning did not beat the pretrained model on the validation runs, whose weights stay."""


def is_kept(rule: str, look: Alignment, start: Alignment) -> bool:
    """Tell whether the weights of a new best look replace those kept so far.

    Parameters
    ----------
    rule : {"best", "two_se"}
    look, start : Alignment
        Of the look whose r is the highest so far, and of the untuned model.
    """
    if rule == "best":
        return True
    gain, error = look.gain_over(start)
    return math.isnan(gain) or gain > TWO_SE * error


def resolve_keep(keep: str | None, *, validated: bool, has_r: bool = True) -> str:
    """Return the rule that a tuning follows.

    Raises
    ------
    ValueError
        If a rule needs validation that there is not.
    """
    if keep is None:
        return "best" if validated and has_r else "last"
    if keep != "last" and not has_r:
        raise ValueError(
            f"keep={keep!r} chooses by r with fMRI, which this objective has not: pass keep='last'"
        )
    if keep != "last" and not validated:
        raise ValueError(
            f"keep={keep!r} chooses weights by validation runs, and there are none: pass "
            "fit(..., validation=...), or keep='last'"
        )
    return keep


def reverted(history: pd.DataFrame) -> bool:
    """Tell whether the weights are those before tuning, as validation found none better.

    Examples
    --------
    >>> reverted(pd.DataFrame({"step": [0, 4], "kept": [True, False]}))
    True
    """
    return bool(len(history) > 1 and history["kept"].iloc[0])


def say_reverted(history: pd.DataFrame) -> str:
    """Return the sentence for a history of which `reverted` is true."""
    return (
        f"tuning did not beat the pretrained model on the validation runs ({say_gain(history)}): "
        "the weights are the pretrained ones"
    )


def say_kept(history: pd.DataFrame) -> str:
    """Return what validation found and which weights are kept; nothing of r without validation.

    Examples
    --------
    >>> nothing = [float("nan")] * 2
    >>> say_kept(pd.DataFrame({"step": [0, 4], "validation_r": nothing, "kept": [False, True]}))
    'the weights of step 4 are kept'
    """
    step = history.loc[history["kept"], "step"].iloc[0]
    found = "" if history["validation_r"].isna().all() else f"{say_gain(history)}; "
    return f"{found}the weights of step {step} are kept"


def say_gain(history: pd.DataFrame) -> str:
    """Return by how much r rose at its highest, with its error and the number of looks.

    Examples
    --------
    >>> say_gain(pd.DataFrame({"validation_r": [0.2, 0.23, 0.21], "gain": [0.0, 0.03, 0.01],
    ...                        "gain_se": [0.0, 0.012, 0.01]}))
    'r rose by 0.030 (SE 0.012) from 0.200, best of 2 looks, not corrected for looks'
    """
    looks = history.iloc[1:]
    known = looks[looks["validation_r"].notna()]
    if known.empty:
        return "r is not defined on them"
    best = known.iloc[int(known["validation_r"].argmax())]
    rose = "rose" if best["gain"] >= 0 else "fell"
    return (
        f"r {rose} by {abs(best['gain']):.3f} (SE {best['gain_se']:.3f}) from "
        f"{history['validation_r'].iloc[0]:.3f}, best of {len(looks)} "
        f"look{'s' if len(looks) > 1 else ''}, not corrected for looks"
    )
