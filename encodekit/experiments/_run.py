"""Run an experiment: take the steps whose results are not there yet, and write the table."""

import inspect
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from encodekit.data import load, save
from encodekit.experiments._read import read_experiment
from encodekit.experiments._results import Results
from encodekit.experiments._steps import WHOLE, Step, Work, made, results_folder
from encodekit.plugins import load_spec

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
) -> pd.DataFrame:
    """Run the experiment in a file and return its table.

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

    Raises
    ------
    ExperimentError
        With every mistake in the file.
    """
    experiment = read_experiment(path, changes)
    tell = say or (lambda _: None)
    tell("loading the study")
    work = Work(experiment)
    results = Results(results_folder(experiment.path, None if output is None else Path(output)))
    results.folder.mkdir(parents=True, exist_ok=True)
    tables, computed = [], []
    models = {name: _Model(work, results, name) for name in work.content["models"]}
    for step in work.steps():
        if fresh or not results.kept(step):
            tell(step.name)
            began = time.perf_counter()
            models[step.model].take(step, began)
            computed.append(step.name)
        else:
            tell(f"{step.name}: kept")
        if step.verb == "score":
            tables.append(results.rows(step))
    table = pd.concat(tables, ignore_index=True)
    results.finish(work, table, computed)
    return table


class _Model:
    """One model of an experiment: its features, tuned or not, and its scores."""

    def __init__(self, work: Work, results: Results, name: str) -> None:
        self.work, self.results, self.name = work, results, name
        self.given = work.content["models"][name]
        self._rows: dict[str, Any] = {}

    def take(self, step: Step, began: float) -> None:
        """Take a step and keep its result."""
        if step.verb == "tune":
            self._tune()
            self.results.note(step, time.perf_counter() - began)
            return
        rows, scores = self._score(step)
        self.results.keep_rows(step, rows, scores, time.perf_counter() - began)

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

    def _features(self, part: str) -> Any:
        if part not in self._rows:
            if self.given.get("tune"):
                extractor = load(self.results.model(self.name))
            else:
                extractor = self._made().fit(self.work.parts["fit"].stimuli)
            self._rows[part] = extractor.transform(self.work.parts[part].stimuli)
        return self._rows[part]

    def _score(self, step: Step) -> tuple[pd.DataFrame, Any]:
        from encodekit.regions import by_region
        from encodekit.scoring import noise_ceiling, normalise

        asked = self.work.content["score"]
        people = self.work.content["participants"]
        given = self.work.areas[step.area]
        regions = None if given is None else made("regions", given)
        fit, test = (self.work.parts[part].select(participants=people) for part in ("fit", "test"))
        road = self._road().fit(self._features("fit"), fit.responses(regions=regions))
        predicted = road.predict(self._features("test"))
        scores = load_spec("metrics", asked["metric"])(test.responses(regions=regions), predicted)
        if asked["ceiling"]:
            scores = normalise(scores, noise_ceiling(test.repeats(regions=regions)))
        by = list(asked["by"])
        if step.area != WHOLE:
            scores = scores.assign_coords(area=("target", [step.area] * scores.sizes["target"]))
            by = ["area", *by]
        rows = by_region(scores, by=by)
        rows.insert(0, "model", self.name)
        if hasattr(road[-1], "best_layer_"):
            rows["layer"] = road[-1].best_layer_
        return rows, scores

    def _road(self) -> Any:
        """Return the pipeline behind the features, not fitted."""
        from sklearn.pipeline import make_pipeline

        from encodekit.features import Delayer, RunScaler
        from encodekit.linear import LayerSelector

        content = self.work.content
        regressor = made("regressors", content["regressor"])
        steps: list[Any] = [Delayer(seconds=content["delays"])] if content["delays"] else []
        steps += [RunScaler()] if content["scale"] else []
        return make_pipeline(*steps, LayerSelector(regressor) if content["layers"] else regressor)
