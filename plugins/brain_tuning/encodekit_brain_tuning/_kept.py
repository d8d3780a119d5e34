"""Whether validation kept the pretrained weights, and how that is said."""

import pandas as pd


class PretrainedKeptWarning(UserWarning):
    """Tuning did not beat the pretrained model on the validation runs, whose weights stay."""


def kept_pretrained(history: pd.DataFrame) -> bool:
    """Tell whether the weights are those before tuning, as validation found none better.

    Examples
    --------
    >>> kept_pretrained(pd.DataFrame({"validation_r": [0.2, 0.21], "kept": [True, False]}))
    True
    """
    return bool(history["validation_r"].notna().any() and history["kept"].iloc[0])


def say_kept_pretrained(history: pd.DataFrame) -> str:
    """Return the sentence for a history of which `kept_pretrained` is true."""
    r = history["validation_r"]
    return (
        "tuning did not beat the pretrained model on the validation runs (r "
        f"{r.iloc[0]:.3f} before, {r.iloc[1:].max():.3f} at best after, not higher by more than "
        "two standard errors): the weights are the pretrained ones"
    )
