"""The demo over many simulated cohorts, each with its own stories, brains and noise."""

import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from demo_file import MODELS, experiment

from encodekit.experiments import run_experiment
from encodekit.reports import t_interval
from encodekit_brain_tuning import RevertedToPretrainedWarning

Say = Callable[[str], None]


def run_cohort(
    seed: int,
    models: Sequence[str] = MODELS,
    threads: int | None = None,
    **simulated: Any,
) -> pd.DataFrame:
    """Return one row per model and area: the mean normalised score over held-out people.

    ``simulated`` is over the study of the demo's file.
    """
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RevertedToPretrainedWarning)
        file = Path(folder) / "cohort.yaml"
        file.write_text(yaml.safe_dump(experiment(seed, models, **simulated)))
        scores = run_experiment(file).tables["scores"]
    means = scores.groupby(["area", "model"], sort=False)["score"].mean().reset_index()
    return means.assign(cohort=seed)[["cohort", "area", "model", "score"]]


def run_cohorts(
    seeds: Iterable[int],
    *,
    models: Sequence[str] = MODELS,
    n_jobs: int = 2,
    say: Say = print,
    **simulated: Any,
) -> pd.DataFrame:
    """Run `run_cohort` for every seed, ``n_jobs`` at a time on one thread each.

    Returns
    -------
    DataFrame
        Columns ``cohort``, ``area``, ``model``, ``score``; ``say`` is told as a cohort
        ends.
    """
    work = partial(run_cohort, models=models, threads=1, **simulated)
    with ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as pool:
        tables = []
        for done in as_completed([pool.submit(work, seed) for seed in seeds]):
            tables.append(done.result())
            say(_one_line(tables[-1]))
    return pd.concat(tables, ignore_index=True).sort_values("cohort", kind="stable")


def _one_line(table: pd.DataFrame) -> str:
    seed = table["cohort"].iloc[0]
    scores = [f"{row.area} {row.model} {row.score:.3f}" for row in table.itertuples()]
    return f"cohort {seed}: " + " · ".join(scores)


def paired_gain(
    table: pd.DataFrame, model: str, reference: str = "pretrained", area: str = "language"
) -> pd.Series:
    """Return, over cohorts, the mean gain of ``model`` over ``reference`` with its 95 % t interval.

    Returns
    -------
    Series
        ``mean``, ``low``, ``high``, ``n_positive``, ``n_cohorts``.
    """
    wide = table[table["area"] == area].pivot(index="cohort", columns="model", values="score")
    gain = (wide[model] - wide[reference]).to_numpy()
    interval = t_interval(gain)
    return pd.Series(
        {
            "mean": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "n_positive": int((gain > 0).sum()),
            "n_cohorts": gain.size,
        }
    )
