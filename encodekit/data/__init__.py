"""Stimuli, studies and the data contract."""

from encodekit.data._disjoint import check_disjoint
from encodekit.data._response import concat_runs, drop_history, make_response, split_runs
from encodekit.data._runlist import RunList
from encodekit.data._stimulus import Stimulus
from encodekit.data._study import Study
from encodekit.data._validate import validate

__all__ = [
    "RunList",
    "Stimulus",
    "Study",
    "check_disjoint",
    "concat_runs",
    "drop_history",
    "make_response",
    "split_runs",
    "validate",
]
