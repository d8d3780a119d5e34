"""Stimuli, studies and the data contract."""

from encodekit.data._disjoint import check_disjoint
from encodekit.data._exact_joins import (
    check_same_targets,
    is_labelled,
    join_rows,
    one_array,
    target_coords,
)
from encodekit.data._fitted_on import FittedOnWarning, say_chosen_on, say_fitted_on, say_runs
from encodekit.data._heard import by_stimulus, hearings, moments_heard, places_heard
from encodekit.data._join_stimuli import join_stimuli
from encodekit.data._not_words import PHONE_SILENCE, SILENCE, Silence, drop_marks
from encodekit.data._numbers import as_floats
from encodekit.data._response import (
    concat_runs,
    drop_history,
    heard_of,
    make_response,
    response_like,
    split_runs,
)
from encodekit.data._run_list import RunList
from encodekit.data._run_names import check_run_names
from encodekit.data._same_sound import is_same_sound, runs_heard_in
from encodekit.data._stimulus import Stimulus
from encodekit.data._study import Study
from encodekit.data._target_blocks import column_blocks, load_columns, over_blocks
from encodekit.data._target_groups import (
    N_TARGETS_AT_ONCE,
    TargetGroup,
    group_targets,
    is_constant,
    participants_of,
)
from encodekit.data._text_files import read_text
from encodekit.data._textgrid import read_textgrid, textgrid_tiers
from encodekit.data._tiers import find_tier
from encodekit.data._timing import NEARLY, ONSET
from encodekit.data._validate import validate

__all__ = [
    "NEARLY",
    "N_TARGETS_AT_ONCE",
    "ONSET",
    "PHONE_SILENCE",
    "SILENCE",
    "FittedOnWarning",
    "RunList",
    "Silence",
    "Stimulus",
    "Study",
    "TargetGroup",
    "as_floats",
    "by_stimulus",
    "check_disjoint",
    "check_run_names",
    "check_same_targets",
    "column_blocks",
    "concat_runs",
    "drop_history",
    "drop_marks",
    "find_tier",
    "group_targets",
    "heard_of",
    "hearings",
    "is_constant",
    "is_labelled",
    "is_same_sound",
    "join_rows",
    "join_stimuli",
    "load_columns",
    "make_response",
    "moments_heard",
    "one_array",
    "over_blocks",
    "participants_of",
    "places_heard",
    "read_text",
    "read_textgrid",
    "response_like",
    "runs_heard_in",
    "say_chosen_on",
    "say_fitted_on",
    "say_runs",
    "split_runs",
    "target_coords",
    "textgrid_tiers",
    "validate",
]
