"""What was decided on the way to a result, and on which data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from sklearn.frozen import FrozenEstimator

from encodekit.core import unknown_name
from encodekit.data import Stimulus, Study, runs_heard_in, say_chosen_on, say_fitted_on

ROLES = ("set", "chosen", "fitted", "divisor")


@dataclass(frozen=True)
class Decision:
    """One decision, and the data that made it.

    Parameters
    ----------
    what : str
        epoch, layer, alpha, regions, targets, loss, ceiling, weights, ...
    value : str
        What came out.
    how : str
        The rule: "best mean r over left-out stimuli".
    role : {"set", "chosen", "fitted", "divisor"}
        Set before there were data; chosen or fitted on data; or a divisor, such as the noise
        ceiling, which is the test data's own and chooses nothing.
    stimuli : mapping of run to content hash, optional
        What was heard in the data that decided; None where it is not known.
    participants : tuple of str
        Whose fMRI decided.
    after_scores : bool
        Whether scores were already there.

    Raises
    ------
    ValueError
        If the role is unknown.
    """

    what: str
    value: str
    how: str = ""
    role: Literal["set", "chosen", "fitted", "divisor"] = "set"
    stimuli: Mapping[str, str] | None = field(default_factory=dict)
    participants: tuple[str, ...] = ()
    after_scores: bool = False

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"decision {self.what!r}: {unknown_name('role', self.role, ROLES)}")
        object.__setattr__(self, "participants", tuple(self.participants))


def heard_in(study: Study | None) -> dict[str, str] | None:
    """Return run to content hash of what was heard in a study; None without one."""
    return None if study is None else {s.run_name: s.heard_hash for s in study.stimuli}


def decisions_of(model: Any, fit: Study | None) -> Iterator[Decision]:
    """Yield the decisions that a fitted pipeline carries, each with the data that made it.

    ``fit`` is the study that fitted the regression; without it, ``fitted_on_`` of the steps says
    what they heard. Of tuned features, ``tuned_on_`` and
    ``validated_on_`` (hash of what was heard to run) say what tuned them and what chose the epoch.
    """
    heard = heard_in(fit)
    people = () if fit is None else tuple(fit.participants)
    for step in steps_of(model):
        yield from _of_step(step, heard, people)
        for _, space in getattr(step, "spaces_", ()):
            yield from decisions_of(space, fit)


def fitted_runs(model: Any) -> dict[str, str]:
    """Return hash of what was heard to run, of all that a pipeline was fitted on, if known."""
    return _heard_by(model, "fitted_on_")


def heard_before(stimuli: Sequence[Stimulus], model: Any, name: str) -> Iterator[str]:
    """Yield why a score of the model on ``stimuli`` would be too good: it knows some of them."""
    if again := runs_heard_in(stimuli, fitted_runs(model)):
        yield say_fitted_on(again, name)
    if again := runs_heard_in(stimuli, _heard_by(model, "validated_on_")):
        yield say_chosen_on(again, name)


def _heard_by(model: Any, which: str) -> dict[str, str]:
    return {sha: run for part in _parts_of(model) for sha, run in getattr(part, which, {}).items()}


def _parts_of(model: Any) -> Iterator[Any]:
    """Yield the steps of a pipeline, and the estimators and feature spaces inside each."""
    for step in steps_of(model):
        yield step
        inside = [space for _, space in getattr(step, "spaces_", ())]
        for part in (*inside, *getattr(step, "estimators_", ())):
            yield from _parts_of(part)


def _people_of(step: Any) -> tuple[str, ...]:
    """Return the participants whose targets a regression predicts."""
    for part in _parts_of(step):
        coords = getattr(getattr(part, "coef_", None), "coords", {})
        if "participant" in coords:
            return tuple(dict.fromkeys(coords["participant"].values.astype(str).tolist()))
    return ()


def steps_of(model: Any) -> list[Any]:
    """Return the estimators of a pipeline in order, without the wrappers that freeze them.

    Those of a pipeline inside it too, and after a search, such as GridSearchCV, what it kept.
    """
    model = _thawed(model)
    if hasattr(model, "best_estimator_"):
        return [model, *steps_of(model.best_estimator_)]
    if not hasattr(model, "steps"):
        return [model]
    steps = [step for _, step in model.steps if step is not None and not isinstance(step, str)]
    return [part for step in steps for part in steps_of(step)]


def _thawed(step: Any) -> Any:
    while isinstance(step, FrozenEstimator):
        step = step.estimator
    return step


def _of_step(
    step: Any, heard: Mapping[str, str] | None, people: tuple[str, ...]
) -> Iterator[Decision]:
    if heard is None and (known := fitted_runs(step)):
        heard, people = {run: sha for sha, run in known.items()}, _people_of(step)
    on: dict[str, Any] = {"stimuli": heard, "participants": people}
    if hasattr(step, "best_params_"):
        value = shown(step.best_params_)
        yield Decision("parameters", value, f"best score of {type(step).__name__}", "chosen", **on)
    if getattr(step, "targets", None) is not None:
        yield Decision("targets", shown(step.targets), "passed as targets=")
    if hasattr(step, "tuned_on_"):
        yield from _of_tuned(step)
    elif getattr(step, "layer", None) is not None and not hasattr(step, "best_layer_"):
        yield Decision("layer", f"{shown(step.layer)} of {type(step).__name__}", "passed as layer=")
    if hasattr(step, "best_layer_"):
        each = np.unique(np.asarray(step.best_layer_)).tolist()
        yield Decision("layer", _listed(each), "best score over left-out stimuli", "chosen", **on)
    for ridge in getattr(step, "estimators_", [step]):
        if hasattr(ridge, "best_alphas_"):
            value = _spread(np.asarray(ridge.best_alphas_, dtype=float))
            yield Decision("alpha", value, "best score over left-out stimuli", "chosen", **on)
    if hasattr(step, "coef_") or hasattr(step, "estimators_"):
        yield Decision("weights", type(step).__name__, "regression", "fitted", **on)


def _of_tuned(step: Any) -> Iterator[Decision]:
    people = tuple(map(str, getattr(step, "participants_", ())))
    tuned = {run: sha for sha, run in step.tuned_on_.items()}
    yield Decision("loss", shown(_loss_of(step)), "passed as loss=")
    yield Decision("features", type(step).__name__, "tuning", "fitted", tuned, people)
    watched = {run: sha for sha, run in getattr(step, "validated_on_", {}).items()}
    if hasattr(step, "kept_by_"):
        value, how, chosen = step.kept_by_
        on = ("chosen", watched, people) if chosen else ()
        yield Decision("epoch", value, how, *on)
    elif watched:
        value, how = _epoch(step)
        yield Decision("epoch", value, how, "chosen", watched, people)
    else:
        yield Decision("epoch", f"the last of {getattr(step, 'epochs', '?')}", "passed as epochs=")


def _loss_of(step: Any) -> Any:
    return getattr(step, "objective_", None) or getattr(step, "loss", "")


def _epoch(step: Any) -> tuple[str, str]:
    """Return which epoch's weights were kept, and by what rule."""
    history: Any = getattr(step, "history_", ())
    tried = len(history)
    if getattr(step, "reverted_to_pretrained_", False):
        return "the pretrained weights", f"none of {tried} better on the validation runs"
    if {"epoch", "kept"} <= set(getattr(history, "columns", ())):
        epoch = history.loc[history["kept"].astype(bool), "epoch"].iloc[0]
        return f"{epoch:g}", f"best of {tried} on the validation runs"
    return f"best of {tried}", "best on the validation runs"


def shown(value: Any) -> str:
    """Return a value as a decision has it, cut where it is long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in values)


def _spread(alphas: np.ndarray) -> str:
    defined = alphas[np.isfinite(alphas)]
    if not defined.size:
        return "none: no target was fitted"
    low, middle, high = np.quantile(defined, [0.05, 0.5, 0.95])
    return f"median {middle:.3g} (5 % {low:.3g}, 95 % {high:.3g})"
