"""Controls: what tuning does when the fMRI no longer belongs to the audio."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from encodekit.data import RunList, concat_runs
from encodekit_brain_tuning._participants import run_list


def shuffle_blocks(
    responses: Iterable[xr.DataArray], block: int = 10, random_state: Any = None
) -> RunList:
    """Give each story the fMRI of others, in blocks of TRs, the same for all participants.

    Only values move: rows keep their ``tr`` and ``seconds``. What participants share stays shared
    and what a block holds stays together; only the bond with the audio is cut. No block stays in
    its own run: z-scored values that were permuted within a run would be anti-correlated with the
    true ones (-1 / (n - 1) for n blocks), which a model can learn from.

    Parameters
    ----------
    responses : RunList, or list of DataArray (time, target)
        Two runs or more.
    block : int
        TRs in a block; the last of a run may be shorter.
    random_state : int, RandomState or None

    Raises
    ------
    ValueError
        If ``block`` is below 1, or one run holds more than half of the TRs, so that not all of
        its blocks can go elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import make_response
    >>> runs = [make_response(first + np.arange(4.0)[:, None], run=f"story-{first}",
    ...                       participant="P1", tr_times=2.0 * np.arange(4), t_r=2.0)
    ...         for first in (10, 20)]
    >>> [run.values.ravel().tolist() for run in shuffle_blocks(runs, block=2, random_state=0)]
    [[20.0, 21.0, 22.0, 23.0], [10.0, 11.0, 12.0, 13.0]]
    """
    runs = run_list(responses)
    lengths = [run.sizes["time"] for run in runs]
    _check(lengths, block)
    order = shuffled_rows(lengths, block, check_random_state(random_state))
    values = concat_runs(runs).transpose("time", "target").data[order]
    edges = np.cumsum([0, *lengths])
    return RunList(
        run.transpose("time", "target").copy(data=values[first:last])
        for run, first, last in zip(runs, edges, edges[1:], strict=False)
    )


def _check(lengths: Sequence[int], block: int) -> None:
    if block < 1:
        raise ValueError(f"block={block}: expected 1 TR or more")
    if 2 * max(lengths) > sum(lengths):
        raise ValueError(
            f"one of {len(lengths)} runs holds {max(lengths)} of the {sum(lengths)} TRs, so its "
            "blocks cannot all go to other runs: pass more runs, or cut it by study.segment"
        )


def shuffled_rows(
    lengths: Sequence[int], block: int, random: np.random.RandomState
) -> NDArray[np.intp]:
    """Return, for every row of the joined runs, the row whose values it gets.

    Runs in random order, the blocks of each in random order, all moved on by the longest run.
    """
    starts = np.cumsum([0, *lengths[:-1]])
    places, sources = [], []
    for run in random.permutation(len(lengths)):
        rows = starts[run] + np.arange(lengths[run])
        blocks = [rows[first : first + block] for first in range(0, rows.size, block)]
        places.append(rows)
        sources += [blocks[i] for i in random.permutation(len(blocks))]
    order = np.empty(sum(lengths), dtype=np.intp)
    order[np.concatenate(places)] = np.roll(np.concatenate(sources), max(lengths))
    return order
