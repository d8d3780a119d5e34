"""The TRs of simulated runs."""

from dataclasses import replace

import numpy as np

from encodekit.data import Stimulus

_CLOSE = 1e-6  # s


def on_grid(stimulus: Stimulus, t_r: float | None) -> Stimulus:
    """Return a stimulus with TRs of its own, or with those of ``t_r`` over the same time.

    Raises
    ------
    ValueError
        Where neither is known, or ``t_r`` is none.
    """
    if t_r is None or stimulus.t_r == t_r:
        return replace(stimulus, tr_times=stimulus.grid, duration=None)
    if stimulus.tr_times is None:
        whole = replace(stimulus, t_r=t_r, sample_offset=None)
        return replace(whole, tr_times=whole.grid, duration=None)
    start, end = float(stimulus.grid[0]), float(stimulus.grid[-1]) + float(stimulus.t_r or 0)
    if stimulus.audio_duration is not None:
        end = min(end, stimulus.audio_duration)
    n_trs = max(int(np.ceil((end - start) / t_r)), 1) if t_r > 0 else 1
    onsets = start + float(t_r) * np.arange(n_trs, dtype=np.float64)
    # As in a grid without a response: a TR counts if its middle is heard.
    heard = onsets[onsets + t_r / 2 <= end + _CLOSE]
    return replace(stimulus, tr_times=heard, t_r=t_r, sample_offset=None, duration=None)
