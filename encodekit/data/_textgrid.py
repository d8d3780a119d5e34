"""Praat TextGrids: timed words or phones of a stimulus."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from encodekit._errors import import_extra, unknown_name

SILENCE = frozenset({"", "#", "sp", "sil", "<sil>", "{sl}", "{ls}", "{lg}", "{ns}", "{br}"})


def read_textgrid(
    path: str | Path,
    *,
    tier: str | None = None,
    kind: str = "word",
    silence: Collection[str] = SILENCE,
) -> pd.DataFrame:
    """Read one interval tier of a TextGrid as a table of words (or phones).

    Parameters
    ----------
    path : str or Path
        A TextGrid, long or short format, UTF-8 or UTF-16.
    tier : str, optional
        Name of the tier; needed where the file has several.
    kind : str, default "word"
        Name of the label column: ``"word"`` or ``"phone"``, as `Stimulus` takes them.
    silence : collection of str
        Labels, in lower case, that are no words and are left out.

    Returns
    -------
    DataFrame
        Columns ``kind``, ``onset`` and ``duration`` (both in seconds), in the order of time.

    Raises
    ------
    ValueError
        If the tier is unknown, or not named although the file has several.
    """
    praatio = import_extra("praatio.textgrid", extra="textgrid", purpose="reading a TextGrid")
    grid = praatio.openTextgrid(str(path), includeEmptyIntervals=False)
    names = list(grid.tierNames)
    if tier is None and len(names) > 1:
        raise ValueError(f"{path} has the tiers {names}: say which one with tier=")
    if tier is not None and tier not in names:
        raise ValueError(f"{path}: {unknown_name('tier', tier, names)}")
    rows = [
        (entry.label.strip(), float(entry.start), float(entry.end - entry.start))
        for entry in grid.getTier(tier or names[0]).entries
        if entry.label.strip().lower() not in silence
    ]
    return pd.DataFrame(rows, columns=[kind, "onset", "duration"])
