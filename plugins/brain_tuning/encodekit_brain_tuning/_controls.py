"""Controls: what tuning does when the fMRI no longer belongs to the audio."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from encodekit.data import RunList
from encodekit_brain_tuning._participants import run_list, run_name


def shuffle_blocks(
    responses: Iterable[xr.DataArray], block: int = 10, random_state: Any = None
) -> RunList:
    """Permute the fMRI of each run in blocks of TRs, the same for all its participants.

    Only values move: rows keep their ``tr`` and ``seconds``. No block stays in its place: one that
    did would go on telling the truth. What participants share stays
    shared, and what a block holds stays together; only its bond with the audio is cut.

    Parameters
    ----------
    responses : RunList, or list of DataArray (time, target)
    block : int
        TRs in a block; the last of a run may be shorter.
    random_state : int, RandomState or None

    Raises
    ------
    ValueError
        If a run has fewer than two blocks, so that nothing can be exchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import make_response
    >>> run = make_response(np.arange(6.0)[:, None], run="story-1", participant="P1",
    ...                     tr_times=2.0 * np.arange(6), t_r=2.0)
    >>> shuffle_blocks([run], block=2, random_state=1)[0].values.ravel().tolist()
    [4.0, 5.0, 0.0, 1.0, 2.0, 3.0]
    """
    random = check_random_state(random_state)
    return RunList(_permuted(run, block, random) for run in run_list(responses))


def _permuted(run: xr.DataArray, block: int, random: np.random.RandomState) -> xr.DataArray:
    n_trs = run.sizes["time"]
    if block < 1 or n_trs <= block:
        raise ValueError(
            f"run {run_name(run)!r} has {n_trs} TRs, which blocks of {block} do not cut in two: "
            "pass a block of at least 1 and less than the run"
        )
    order = block_order(n_trs, block, random)
    time = run.get_axis_num("time")
    values = run.values.take(order, axis=time) if not run.chunks else run.data[order]
    return run.copy(data=values)


def block_order(n_trs: int, block: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Return an order of TRs that permutes blocks and leaves none of them in its place."""
    blocks = [np.arange(start, min(start + block, n_trs)) for start in range(0, n_trs, block)]
    identity = np.arange(len(blocks))
    order = random.permutation(len(blocks))
    while (order == identity).any():
        order = random.permutation(len(blocks))
    return np.concatenate([blocks[i] for i in order])
