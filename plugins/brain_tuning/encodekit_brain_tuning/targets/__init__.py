"""What a head learns from: participants' fMRI aligned, its runs matched, its targets chosen."""

from encodekit_brain_tuning.targets._align import (
    RunTargets,
    SharedTargets,
    TargetWeights,
    align,
    common_places,
    is_native,
    plain_mean,
    run_list,
    run_name,
    select_targets,
    target_keys,
    weighted_mean,
)
from encodekit_brain_tuning.targets._glasser import GlasserSelector, glasser_atlas
from encodekit_brain_tuning.targets._runs import (
    Runs,
    match_runs,
    target_weights,
    validation_parts,
    validation_runs,
)
from encodekit_brain_tuning.targets._selectors import (
    AgreementSelector,
    KeySelector,
    fitted_selector,
    has_learnt,
    saved_selector,
)

__all__ = [
    "AgreementSelector",
    "GlasserSelector",
    "KeySelector",
    "RunTargets",
    "Runs",
    "SharedTargets",
    "TargetWeights",
    "align",
    "common_places",
    "fitted_selector",
    "glasser_atlas",
    "has_learnt",
    "is_native",
    "match_runs",
    "plain_mean",
    "run_list",
    "run_name",
    "saved_selector",
    "select_targets",
    "target_keys",
    "target_weights",
    "validation_parts",
    "validation_runs",
    "weighted_mean",
]
