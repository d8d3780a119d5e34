"""Run an experiment: take the steps whose results are not there yet, and write the table."""

import inspect
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from encodekit.experiments._features import RememberedFeatures
from encodekit.experiments._joined import joined
from encodekit.experiments._made import made
from encodekit.experiments._read import read_experiment
from encodekit.experiments._results import Results
from encodekit.experiments._steps import Step, Work, results_folder
from encodekit.plugins import load_spec
from encodekit.reports import Result, evaluate
from encodekit.saving import load, save

Say = Callable[[str], None]


def plan_experiment(
    path: str | Path, changes: Iterable[str] = (), *, output: str | Path | None = None
) -> pd.DataFrame:
    """Return what `run_experiment` would do: a row per step.

    Parameters
    ----------
    path, changes, output
        As in `run_experiment`.

    Returns
    -------
    DataFrame
        ``step``, ``kept`` (whether its result is there) and ``seconds``: 0 where it is kept, as
        long as such steps took before on this machine, or NaN where none was taken yet.
    """
    experiment = read_experiment(path, changes)
    work = Work(experiment)
    results = Results(results_folder(experiment.path, None if output is None else Path(output)))
    rows = []
    for step in work.steps():
        kept = results.kept(step)
        rows.append((step.name, kept, 0.0 if kept else results.estimate(step)))
    return pd.DataFrame(rows, columns=["step", "kept", "seconds"]).astype({"seconds": float})


def run_experiment(
    path: str | Path,
    changes: Iterable[str] = (),
    *,
    output: str | Path | None = None,
    fresh: bool = False,
    say: Say | None = None,
) -> Result:
    """Run the experiment in a file and return its result.

    Steps whose result is in the folder, made from the same file, study and versions, are not
    taken again.

    Parameters
    ----------
    path : path
        The file.
    changes : iterable of str
        ``"key=value"`` each, over what the file says.
    output : path, optional
        The folder of results; ``NAME-results`` beside the file if not given.
    fresh : bool
        Whether to take every step again.
    say : callable, optional
        Told of each step.

    Returns
    -------
    Result
        Scores of all models and areas, with every decision and how models were made. Its table
        ``scores`` has a row per model, area and what ``score.by`` keeps apart, with the layer
        that was chosen; ``layers`` the cross-validated scores of every layer, ``training`` the
        history of features that were tuned.

    Raises
    ------
    ExperimentError
        With every mistake in the file.
    FileExistsError
        Where the folder holds files of others that have the names of results.
    """
    experiment = read_experiment(path, changes)
    tell = say or (lambda _: None)
    tell("loading the study")
    work = Work(experiment)
    results = Results(results_folder(experiment.path, None if output is None else Path(output)))
    results.claim()
    computed, found = [], {}
    models = {name: _Model(work, results, name) for name in work.models}
    for step in work.steps():
        if fresh or not results.kept(step):
            tell(step.name)
            models[step.model].take(step)
            computed.append(step.name)
        else:
            tell(f"{step.name}: kept")
        if step.verb == "score":
            found[step.model, step.area] = results.result(step)
    result = joined(work, found)
    results.finish(work, result, computed)
    return result


class _Model:
    """One model of an experiment: its features, tuned or not, and its scores."""

    def __init__(self, work: Work, results: Results, name: str) -> None:
        self.work, self.results, self.name = work, results, name
        self.given = work.content["models"][name]

    def take(self, step: Step) -> None:
        """Take a step and keep its result."""
        began = time.perf_counter()
        if step.verb == "tune":
            self._tune()
            self.results.note(step, time.perf_counter() - began)
            return
        result = self._score(step)
        self.results.keep(step, result, time.perf_counter() - began)

    def _made(self) -> Any:
        """Make the extractor; rows are cached, and the seed of the file is taken, unless told."""
        options = self.given["features"]
        known = inspect.signature(load_spec("features", options["name"])).parameters
        more = {"cache": "auto", "random_state": self.work.content["seed"]}
        return made("features", options, **{k: v for k, v in more.items() if k in known})

    def _tune(self) -> None:
        tune = self.given["tune"]
        part = self.work.parts[tune.get("on", "tune")]
        people = tune.get("participants")
        more = {}
        if tune.get("validation"):
            held = self.work.parts[tune["validation"]]
            more["validation"] = (held.stimuli, held.responses(participants=people))
        extractor = self._made()
        extractor.fit(part.stimuli, part.responses(participants=people), **more)
        self.results.model(self.name).parent.mkdir(parents=True, exist_ok=True)
        save(extractor, self.results.model(self.name))

    @cached_property
    def _features(self) -> RememberedFeatures:
        if self.given.get("tune") is not None:
            return RememberedFeatures(load(self.results.model(self.name)))
        return RememberedFeatures(self._made().fit(self.work.parts["fit"].stimuli))

    def _score(self, step: Step) -> Result:
        asked, given = self.work.content["score"], self.work.areas[step.area]
        targets = None if given is None else made("regions", given)
        fit, test = self.work.scored["fit"], self.work.scored["test"]
        model = self._pipeline().fit(fit.stimuli, fit.responses(regions=targets))
        history = getattr(self._features, "history_", None)
        return evaluate(
            {self.name: model},
            test,
            fit=fit,
            targets=targets,
            metric=asked["metric"],
            ceiling="required" if asked["ceiling"] else False,
            tables={"training": history} if isinstance(history, pd.DataFrame) else None,
        )

    def _pipeline(self) -> Any:
        """Return the pipeline from the features to the prediction, not fitted."""
        from sklearn.pipeline import make_pipeline

        from encodekit.features import Delayer, RunScaler
        from encodekit.linear import LayerSelector

        content = self.work.content
        regressor = made("regressors", content["regressor"])
        steps: list[Any] = [Delayer(seconds=content["delays"])] if content["delays"] else []
        steps += [RunScaler()] if content["scale"] else []
        last = LayerSelector(regressor) if content["layers"] else regressor
        return make_pipeline(self._features, *steps, last)
