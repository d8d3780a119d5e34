"""Score fitted models on held-out stories, and keep how."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.core import warn_caller
from encodekit.data import FittedOnWarning, Study, check_disjoint
from encodekit.plugins import HasSettings, load_spec, settings_of
from encodekit.reports._decisions import (
    Decision,
    decisions_of,
    heard_before,
    heard_in,
    shown,
    steps_of,
)
from encodekit.reports._provenance import environment
from encodekit.reports._region_masks import Regions, region_masks
from encodekit.reports._result import Result
from encodekit.scoring import noise_ceiling, normalise, permutation_test


def evaluate(
    models: Any,
    test: Study,
    *,
    fit: Study | None = None,
    regions: Regions | None = None,
    targets: Any = None,
    metric: str = "correlation",
    ceiling: bool | Literal["required"] = True,
    permutations: int = 0,
    by: str | Sequence[str] | None = None,
    decisions: Iterable[Decision] = (),
    tables: Mapping[str, pd.DataFrame] | None = None,
    name: str | None = None,
    random_state: int = 0,
) -> Result:
    """Score models on the stories of ``test``, and record what decided what on which data.

    Regions are read, checked and fixed before anything is predicted. Every target that the first
    model predicts is scored, in a region or not. A model that chose a layer leaves its scores
    along the layers in the result's table ``layers``.

    Parameters
    ----------
    models : fitted pipeline, or mapping of name to fitted pipeline
    test : Study
        Held-out stories.
    fit : Study, optional
        The stories and people that fitted the regressions. Without it the audit asks the models,
        which know the runs whose features an extractor of encodekit made.
    regions : mapping of name to RegionSelector or names, optional
        Names are those of the coordinate ``region``.
    targets : names or selector, optional
        What ``test.responses(regions=targets)`` takes: the responses that the models were fitted
        on, where these are not all, or are averages of areas.
    metric : str
        A registered metric; one that is no correlation, such as ``"r2"``, has no ceiling.
    ceiling : bool or "required"
        Whether to take noise ceilings from the repeats, where there are as many of every run;
        ``"required"`` raises where there is none.
    permutations : int
        How many for `encodekit.permutation_test`, which tests the correlation; none by default.
    by : str or sequence of str, optional
        Test means over targets that share these coordinates, such as ``["participant", "region"]``.
    decisions : iterable of Decision, optional
        Taken before, elsewhere.
    tables : mapping of str to DataFrame, optional
        To keep in the result.
    name : str, optional
        The study's name if not given.
    random_state : int
        Of the permutations.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If ``fit`` and ``test`` share what was heard, a region or the metric is unknown, a region
        is empty, models predict other targets, or there is no ceiling where one is required or of
        such a metric.

    Warns
    -----
    FittedOnWarning
        If a model was fitted on a run of ``test``, or validated on one, which kept its best
        weights; by the content of the audio, and of segments by their time in it.
    """
    named = dict(models) if isinstance(models, Mapping) else {type(models).__name__: models}
    _check_unheard(named, fit, test)
    score = load_spec("metrics", metric)
    truth = test.responses(regions=targets)
    fixed = region_masks(regions, truth[0]) if regions else None
    predicted = {key: model.predict(test.stimuli) for key, model in named.items()}
    scored = _targets(predicted)
    true = [run.sel(target=scored) for run in truth]
    scores = _by_model({key: score(true, guess) for key, guess in predicted.items()})
    limit = _ceiling(test, true, targets, required=ceiling == "required") if ceiling else None
    if limit is not None:
        normalise(scores[0], limit)  # refuses a metric that no ceiling divides, now and not later
    tests: dict[str, xr.Dataset] = {}
    if permutations:
        settings: dict[str, Any] = {"by": by, "n_permutations": permutations}
        for key, guess in predicted.items():
            tests[key] = permutation_test(true, guess, random_state=random_state, **settings)
    return Result(
        name or test.name,
        scores,
        limit,
        _by_model(tests) if tests else None,
        None if fixed is None else fixed.sel(target=scored),
        {**_layer_profiles(named), **(tables or {})},
        tuple(_decided(named, fit, test, _named_regions(regions, targets), limit, decisions)),
        _provenance(named, fit, test, permutations, random_state),
    )


def _check_unheard(named: Mapping[str, Any], fit: Study | None, test: Any) -> None:
    """Refuse what is no study, or was fitted on; warn of what a model knows that it heard."""
    if not hasattr(test, "responses"):
        raise TypeError(
            f"evaluate takes the study to test on, got a {type(test).__name__}: pass a part of "
            "study.split(...)"
        )
    if fit is not None:
        check_disjoint({"fit": fit.stimuli, "test": test.stimuli})
    for key, model in named.items():
        for said in heard_before(test.stimuli, model, f"model {key!r}"):
            warn_caller(said, FittedOnWarning)


def _targets(predicted: Mapping[str, xr.DataArray]) -> Any:
    first, *others = predicted.items()
    names = first[1].coords["target"].values
    for other, guess in others:
        if not np.array_equal(guess.coords["target"].values, names):
            raise ValueError(
                f"model {other!r} predicts other targets than {first[0]!r}: fit both on the same "
                "people and regions"
            )
    return names


def _by_model(parts: Mapping[str, Any]) -> Any:
    return xr.concat(
        list(parts.values()), pd.Index(list(parts), name="model"), combine_attrs="override"
    )


def _ceiling(test: Study, true: list[Any], targets: Any, *, required: bool) -> xr.Dataset | None:
    counts = {int(n) for run in true for n in run.coords["n_repeats"].values}
    if not required and (len(counts) != 1 or counts == {1}):
        return None
    repeats = test.repeats(regions=targets).sel(target=true[0].coords["target"].values)
    limit: xr.Dataset = noise_ceiling(repeats)
    return limit


def _layer_profiles(named: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the table ``layers``: mean CV score of each layer, and whether a target chose it."""
    tables = []
    for key, model in named.items():
        for step in steps_of(model):
            if hasattr(step, "layer_scores_"):
                mean = step.layer_scores_.mean("target").to_series().rename("score")
                profile = mean.reset_index().assign(model=key)
                chosen = profile["layer"].isin(np.unique(np.asarray(step.best_layer_)))
                tables.append(profile.assign(chosen=chosen))
    return {"layers": pd.concat(tables, ignore_index=True)} if tables else {}


def _decided(
    named: Mapping[str, Any],
    fit: Study | None,
    test: Study,
    regions: Decision,
    limit: xr.Dataset | None,
    given: Iterable[Decision],
) -> Iterable[Decision]:
    yield from given
    several = len(named) > 1
    for key, model in named.items():
        for decision in decisions_of(model, fit):
            what = f"{decision.what} ({key})" if several else decision.what
            yield Decision(**{**decision.__dict__, "what": what})
    yield regions
    if limit is not None:
        people = tuple(test.participants)
        yield Decision(
            "ceiling", "from repeats", "noise_ceiling", "divisor", heard_in(test), people
        )


def _named_regions(regions: Regions | None, targets: Any) -> Decision:
    """Return the decision for the regions, or for the responses that were asked for."""
    chosen, passed = "none: all targets", "regions"
    if regions:
        chosen = ", ".join(regions)
    elif targets is not None:
        chosen, passed = shown(targets), "targets"
    return Decision("regions", chosen, f"passed as {passed}=, before anything was predicted")


def _provenance(
    named: Mapping[str, Any], fit: Study | None, test: Study, permutations: int, seed: int
) -> dict[str, Any]:
    studies = {"fit": fit, "test": test}
    of_each = {part: describe_study(one) for part, one in studies.items() if one is not None}
    steps = {name: recorded_steps(model) for name, model in named.items()}
    return {
        **of_each,
        "models": steps,
        "permutations": permutations,
        "seed": seed,
        "versions": environment(),
    }


def describe_study(study: Study) -> dict[str, Any]:
    """Return what a result keeps of a study: content hashes, people, minutes, TR."""
    return {
        "stimuli": heard_in(study),
        "participants": list(study.participants),
        "minutes": study.minutes,
        "t_r": study.t_rs[0] if len(study.t_rs) == 1 else study.t_rs,
        "study": study.name,
    }


def recorded_steps(model: Any) -> list[dict[str, Any]]:
    """Return what a result keeps of a pipeline: each step's class and parameters.

    A class may add to it by an attribute ``in_methods``: ``said_as``, the class whose sentence in
    the methods paragraph holds for it too, and ``note``, what that sentence ends with.
    """
    return [_step(step) for step in steps_of(model)]


def _step(step: Any) -> dict[str, Any]:
    parameters = dict(_parameters(step))
    described: dict[str, Any] = {
        "class": type(step).__name__,
        "module": type(step).__module__.partition(".")[0],
        "parameters": {name: _short(value) for name, value in parameters.items()},
    }
    described |= getattr(step, "in_methods", {})
    if hasattr(step, "participants_"):
        described["tuned_participants"] = [str(who) for who in step.participants_]
    if hasattr(step, "estimator"):
        described["estimator"] = _step(step.estimator) if step.estimator is not None else None
    return described


def _parameters(step: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parameters; of settings those within, as ``name__parameter``."""
    if not hasattr(step, "get_params"):
        return
    within = settings_of(type(step)) if isinstance(step, HasSettings) else {}
    for name, value in step.get_params(deep=bool(within)).items():
        owner = name.partition("__")[0]
        if owner != name and owner not in within:
            continue
        if name in within and value is not None:
            value = type(step.setting(name)).__name__  # noqa: PLW2901 (what the name stands for)
        yield name, value


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | list | tuple) and np.ndim(value) == 1:
        return [_short(item) for item in np.asarray(value).tolist()]
    return repr(value)[:200]
