"""Stimuli, studies and the data contract."""

from encodekit.data._response import concat_runs, drop_history, make_response, split_runs
from encodekit.data._runlist import RunList
from encodekit.data._stimulus import Stimulus

__all__ = [
    "RunList",
    "Stimulus",
    "concat_runs",
    "drop_history",
    "make_response",
    "split_runs",
]
