"""Controls: what tuning does when the fMRI no longer belongs to the audio.

| control | keeps | destroys |
|---|---|---|
| `shuffle_blocks` | values, covariance of targets, order within a block | the bond with the audio |
| `shift_circularly` | the same, and each run's spectrum | the bond with the audio |
| `randomise_phases` | each run's mean, spectrum and covariance of targets | bond, distribution |

All participants and targets get the same permutation, shift or phases, so that what people share
stays shared.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from encodekit.data import RunList, concat_runs
from encodekit_brain_tuning.targets import run_list


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


def shift_circularly(
    responses: Iterable[xr.DataArray], least: int = 15, random_state: Any = None
) -> RunList:
    """Rotate the fMRI of each run in time, by its own random number of TRs.

    Values, the covariance of targets and the circular spectrum of each run stay exactly as they
    are; rows keep their ``tr`` and ``seconds``. A participant who has fewer TRs of a run than
    others carries the gap along. Within a short run a shifted response is slightly anti-correlated
    with the true one, as its mean is zero (about -c / n for n TRs that are alike over c).

    Parameters
    ----------
    responses : RunList, or list of DataArray (time, target)
    least : int
        TRs that every shift has at least, in either direction.
    random_state : int, RandomState or None

    Raises
    ------
    ValueError
        If a run is too short for such a shift, or ``least`` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import make_response
    >>> run = make_response(np.arange(4.0)[:, None], run="story-1", participant="P1",
    ...                     tr_times=2.0 * np.arange(4), t_r=2.0)
    >>> shift_circularly([run], least=2)[0].values.ravel().tolist()
    [2.0, 3.0, 0.0, 1.0]
    """
    runs = run_list(responses)
    lengths = [run.sizes["time"] for run in runs]
    if least < 1 or min(lengths) < 2 * least:
        raise ValueError(
            f"least={least} TRs with runs of {min(lengths)} to {max(lengths)} TRs: expected 1 or "
            "more, and at most half of the shortest run"
        )
    random = check_random_state(random_state)
    shifts = [int(random.randint(least, n - least + 1)) for n in lengths]
    return RunList(run.roll(time=shift) for run, shift in zip(runs, shifts, strict=True))


def randomise_phases(responses: Iterable[xr.DataArray], random_state: Any = None) -> RunList:
    r"""Draw the phases of each run's fMRI anew, the same ones for all targets.

    With :math:`F_v(k)` the Fourier transform of target v over a run, each is multiplied by
    :math:`e^{i \varphi_k}`. As :math:`\varphi_k` is the same in all targets, every spectrum and
    every cross-spectrum stays, and with them the means, the variances, the (circular)
    autocorrelation and the covariance over targets and participants.

    Targets that lack rows of a run are transformed over the rows they have, with the same first
    phases; their cross-spectra with complete targets hold approximately.

    Parameters
    ----------
    responses : RunList, or list of DataArray (time, target)
    random_state : int, RandomState or None

    Notes
    -----
    Theiler et al. (1992), Physica D 58; Prichard & Theiler (1994), PRL 73, for several series.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import make_response
    >>> values = np.random.default_rng(0).standard_normal((50, 2))
    >>> run = make_response(values, run="story-1", participant="P1",
    ...                     tr_times=2.0 * np.arange(50), t_r=2.0)
    >>> drawn = randomise_phases([run], random_state=0)[0].values
    >>> bool(np.allclose(np.cov(drawn.T), np.cov(values.T)))
    True
    """
    random = check_random_state(random_state)
    return RunList(_with_phases(run, random) for run in run_list(responses))


def _with_phases(run: xr.DataArray, random: np.random.RandomState) -> xr.DataArray:
    phases = random.uniform(0, 2 * np.pi, run.sizes["time"] // 2 + 1)
    if run.chunks is not None:
        run = run.chunk({"time": -1})
    drawn: xr.DataArray = xr.apply_ufunc(
        phase_randomised,
        run,
        input_core_dims=[["time"]],
        output_core_dims=[["time"]],
        kwargs={"phases": phases},
        dask="parallelized",
        output_dtypes=[run.dtype],
        keep_attrs=True,
    )
    return drawn.transpose("time", "target")


def phase_randomised(values: NDArray[Any], phases: NDArray[np.float64]) -> NDArray[Any]:
    """Multiply the transforms of ``values`` (target, time) by ``exp(i phases)``; NaN stays NaN.

    The mean keeps its sign; the highest frequency of an even number of rows, which has no phase,
    changes its sign where the cosine of its phase is negative.
    """
    drawn = np.full_like(values, np.nan)
    patterns, which = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    for number, there in enumerate(patterns):
        n = int(there.sum())
        if n == 0:
            continue
        turn = np.exp(1j * phases[: n // 2 + 1])
        turn[0] = 1
        if n % 2 == 0 and n > 1:
            turn[-1] = 1 if np.cos(phases[n // 2]) >= 0 else -1
        chosen = np.ix_(np.flatnonzero(which.ravel() == number), np.flatnonzero(there))
        spectrum = np.fft.rfft(values[chosen].astype(np.float64), axis=-1)
        drawn[chosen] = np.fft.irfft(spectrum * turn, n, axis=-1)
    return drawn


CONTROLS = {
    "blocks": shuffle_blocks,
    "shift": shift_circularly,
    "phases": randomise_phases,
}
