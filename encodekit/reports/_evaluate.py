"""Score fitted models on held-out stories, and keep how."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.data import (
    FittedOnWarning,
    Study,
    check_disjoint,
    warn_caller,
)
from encodekit.regions import RegionSelector
from encodekit.reports._decisions import Decision, decisions_of, heard_before, heard_in, steps_of
from encodekit.reports._provenance import environment
from encodekit.reports._result import Result
from encodekit.scoring import correlation, noise_ceiling, permutation_test

Regions = Mapping[str, Any]


def evaluate(
    models: Any,
    test: Study,
    *,
    fit: Study | None = None,
    regions: Regions | None = None,
    ceiling: bool = True,
    permutations: int = 0,
    by: str | Sequence[str] | None = None,
    decisions: Iterable[Decision] = (),
    tables: Mapping[str, pd.DataFrame] | None = None,
    name: str | None = None,
    random_state: int = 0,
) -> Result:
    """Score models on the stories of ``test``, and record what decided what on which data.

    Regions are read, checked and fixed before anything is predicted. Every target that the first
    model predicts is scored, in a region or not.

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
    ceiling : bool
        Whether to take noise ceilings from the repeats, where there are as many of every run.
    permutations : int
        How many for `encodekit.permutation_test`; none by default.
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
        If ``fit`` and ``test`` share what was heard, a region is unknown or empty, or models
        predict other targets.

    Warns
    -----
    FittedOnWarning
        If a model was fitted on a run of ``test``, or validated on one, which kept its best
        weights; by the content of the audio, and of segments by their time in it.
    """
    if not hasattr(test, "responses"):
        raise TypeError(
            f"evaluate takes the study to test on, got a {type(test).__name__}: pass a part of "
            "study.split(...)"
        )
    named = dict(models) if isinstance(models, Mapping) else {type(models).__name__: models}
    if fit is not None:
        check_disjoint({"fit": fit.stimuli, "test": test.stimuli})
    for key, model in named.items():
        for said in heard_before(test.stimuli, model, f"model {key!r}"):
            warn_caller(said, FittedOnWarning)
    truth = test.responses()
    fixed = region_masks(regions, truth[0]) if regions else None
    predicted = {key: model.predict(test.stimuli) for key, model in named.items()}
    targets = _targets(predicted)
    true = [run.sel(target=targets) for run in truth]
    scores = xr.concat(
        [correlation(true, guess) for guess in predicted.values()],
        pd.Index(list(named), name="model"),
        combine_attrs="override",
    )
    kept = None if fixed is None else fixed.sel(target=targets)
    tests = None
    if permutations:
        settings: dict[str, Any] = {"by": by, "n_permutations": permutations}
        tests = xr.concat(
            [
                permutation_test(true, guess, random_state=random_state, **settings)
                for guess in predicted.values()
            ],
            pd.Index(list(named), name="model"),
            combine_attrs="override",
        )
    limit = _ceiling(test, true, targets) if ceiling else None
    return Result(
        name or test.name,
        scores,
        limit,
        tests,
        kept,
        dict(tables or {}),
        tuple(_decided(named, fit, test, regions, limit, decisions)),
        _provenance(named, fit, test, permutations, random_state),
    )


def region_masks(regions: Regions, targets: xr.DataArray) -> xr.DataArray:
    """Return which targets lie in each named set of regions, (group, target) of bool."""
    masks = []
    for regions_of_one in regions.values():
        chooser: Any = regions_of_one
        if not hasattr(chooser, "mask"):
            chooser = RegionSelector(regions=regions_of_one)
        masks.append(chooser.fit().mask(targets))
    coords = {"group": [str(name) for name in regions], "target": targets.coords["target"].values}
    return xr.DataArray(np.array(masks), dims=("group", "target"), coords=coords)


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


def _ceiling(test: Study, true: list[Any], targets: Any) -> xr.Dataset | None:
    counts = {int(n) for run in true for n in run.coords["n_repeats"].values}
    if len(counts) != 1 or counts == {1}:
        return None
    limit: xr.Dataset = noise_ceiling(test.repeats().sel(target=targets))
    return limit


def _decided(
    named: Mapping[str, Any],
    fit: Study | None,
    test: Study,
    regions: Regions | None,
    limit: xr.Dataset | None,
    given: Iterable[Decision],
) -> Iterable[Decision]:
    yield from given
    several = len(named) > 1
    for key, model in named.items():
        for decision in decisions_of(model, fit):
            what = f"{decision.what} ({key})" if several else decision.what
            yield Decision(**{**decision.__dict__, "what": what})
    chosen = ", ".join(regions) if regions else "none: all targets"
    yield Decision("regions", chosen, "passed as regions=, before anything was predicted")
    if limit is not None:
        people = tuple(test.participants)
        yield Decision(
            "ceiling", "from repeats", "noise_ceiling", "divisor", heard_in(test), people
        )


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
    """Return what a result keeps of a pipeline: each step's class and parameters."""
    return [_step(step) for step in steps_of(model)]


def _step(step: Any) -> dict[str, Any]:
    parameters = step.get_params(deep=False) if hasattr(step, "get_params") else {}
    described: dict[str, Any] = {
        "class": type(step).__name__,
        "module": type(step).__module__.partition(".")[0],
        "parameters": {name: _short(value) for name, value in parameters.items()},
    }
    if hasattr(step, "participants_"):
        described["tuned_participants"] = [str(who) for who in step.participants_]
    if hasattr(step, "estimator"):
        described["estimator"] = _step(step.estimator) if step.estimator is not None else None
    return described


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | list | tuple) and np.ndim(value) == 1:
        return [_short(item) for item in np.asarray(value).tolist()]
    return repr(value)[:200]
