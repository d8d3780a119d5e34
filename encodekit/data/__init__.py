"""Stimuli, studies and the data contract."""

from encodekit.data._disjoint import check_disjoint
from encodekit.data._files import (
    atomic_write,
    check_manifest,
    whole_file,
    whole_folder,
    write_manifest,
)
from encodekit.data._heard import (
    FittedOnWarning,
    is_same_sound,
    runs_heard_in,
    say_chosen_on,
    say_fitted_on,
    say_runs,
    warn_caller,
)
from encodekit.data._mistakes import refuse
from encodekit.data._models import load, save
from encodekit.data._named_study import load_study
from encodekit.data._present import NotDownloadedError, present_file
from encodekit.data._progress import progress
from encodekit.data._response import (
    concat_runs,
    drop_history,
    heard_of,
    make_response,
    response_like,
    split_runs,
)
from encodekit.data._runlist import RunList
from encodekit.data._stimulus import Stimulus
from encodekit.data._study import Study
from encodekit.data._textgrid import read_textgrid
from encodekit.data._validate import validate

__all__ = [
    "FittedOnWarning",
    "NotDownloadedError",
    "RunList",
    "Stimulus",
    "Study",
    "atomic_write",
    "check_disjoint",
    "check_manifest",
    "concat_runs",
    "drop_history",
    "heard_of",
    "is_same_sound",
    "load",
    "load_study",
    "make_response",
    "present_file",
    "progress",
    "read_textgrid",
    "refuse",
    "response_like",
    "runs_heard_in",
    "save",
    "say_chosen_on",
    "say_fitted_on",
    "say_runs",
    "split_runs",
    "validate",
    "warn_caller",
    "whole_file",
    "whole_folder",
    "write_manifest",
]
