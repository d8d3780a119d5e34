"""The paper's questions on simulated cohorts, one command a question.

    python benchmarks/paper/campaign.py run people      # goes on where it was stopped
    python benchmarks/paper/campaign.py show people     # every cohort, and what they say
    python benchmarks/paper/campaign.py run loss heads  # together, which is cheaper
    python benchmarks/paper/campaign.py run all --language-model FOLDER

What hears recorded speech looks for it in the folder ``$ENCODEKIT_DATA``.

``run`` appends a JSON line for each cohort and arm that the file does not hold yet. Tuned models
are kept in the cache, so that questions share them. ``show`` prints every cohort; each difference
with its interval, tests and a verdict; and, apart, what a gate on validation runs would have kept.
"""

import argparse
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arms import HELD_OUT, LANGUAGE_MODEL, Cohort, World, as_json
from measures import (
    ALPHAS,
    DELAYS,
    SIZES,
    SUBSETS,
    HeldOutPeople,
    curve,
    validation,
)
from probes import FREQUENT, PHONE_WORDS, TAKES, probed
from questions import ARMS, QUESTIONS, Question
from tables import show
from worlds import SECOND, WORLDS, data_folder, second_data_set, split_second

from encodekit.features import cache_folder

RESULTS = Path(__file__).with_name("results.jsonl")
READ = [DELAYS, ALPHAS, HELD_OUT]
MEASURES: dict[str, Any] = {  # what decides a measure's values beside the tuned weights
    "score": READ,
    "second data set": [*READ, SECOND],
    "curve": [*READ, SIZES, SUBSETS, QUESTIONS["data"].curves],
    "probes": [FREQUENT, TAKES, PHONE_WORDS],
}


def key_of(world: World, arm: str, measure: str) -> str:
    """Return what identifies a line beside its cohort: all that decides its values."""
    parts = as_json([world.key(ARMS[arm]), measure, MEASURES[measure]])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def read_lines(path: Path = RESULTS) -> list[dict[str, Any]]:
    """Return the lines of ``path`` that belong to the present settings."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    keys = {
        (world, arm, measure): key_of(WORLDS[world], arm, measure)
        for world in WORLDS for arm in ARMS for measure in MEASURES
    }  # fmt: skip
    return [
        line for line in lines
        if keys.get((line.get("world"), line["arm"], line.get("measure"))) == line["key"]
    ]  # fmt: skip


def missing(
    questions: Iterable[Question], cohorts: Iterable[int] | None, path: Path, lacking: set[str]
) -> dict[tuple[str, int], list[tuple[str, str]]]:
    """Return, for each world and cohort, the (measure, arm) that the file does not hold yet."""
    done = {(li["world"], li["cohort"], li["measure"], li["arm"]) for li in read_lines(path)}
    asked: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for question in questions:
        for seed in question.cohorts if cohorts is None else cohorts:
            for arm in question.arms:
                item = (question.measure, arm)
                if (question.world, seed, *item) in done or ARMS[arm].learns in lacking:
                    continue
                wanted = asked.setdefault((question.world, seed), [])
                if item not in wanted:
                    wanted.append(item)
    return asked


def run_cohort(
    world: str, seed: int, wanted: list[tuple[str, str]], path: Path, language_model: str
) -> int:
    """Measure what is wanted of one cohort, on one thread, and append a line for each."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of processes that are forked
        cohort = Cohort.simulate(WORLDS[world], seed)
        people = cache(partial(_people, cohort))
        for measure, arm in wanted:
            line = {"world": world, "measure": measure, "cohort": seed, "arm": arm,
                    "key": key_of(WORLDS[world], arm, measure),
                    **measured(cohort, arm, measure, people, language_model)}  # fmt: skip
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
    return seed


def _people(cohort: Cohort, measure: str) -> HeldOutPeople:
    """Return whom a measure scores."""
    areas, parts = cohort.world.areas, cohort.parts
    if measure == "second data set":
        parts = split_second(second_data_set(cohort.seed))
        return HeldOutPeople(parts.fit, parts.test, areas, parts.fit.participants)
    return HeldOutPeople(parts.fit, parts.test, areas)


def measured(
    cohort: Cohort,
    name: str,
    measure: str,
    people: Callable[[str], HeldOutPeople],
    language_model: str,
) -> dict[str, Any]:
    """Return what one arm gives in one cohort."""
    folder = cache_folder("auto", "paper")
    began = time.process_time()
    extractor = cohort.tuned(ARMS[name], folder, language_model)
    seconds = round(time.process_time() - began, 1)
    if measure == "curve":
        groups = QUESTIONS["data"].curves
        return {group: _curve(extractor, cohort, of) for group, of in groups.items()}
    if measure == "probes":
        return {"probes": probed(extractor, cohort, data_folder())}
    scores = people(measure).score(extractor)
    if measure == "second data set":
        return scores
    return {**scores, **validation(extractor), "cpu_seconds": seconds}


def _curve(extractor: Any, cohort: Cohort, people: Any) -> dict[str, list[float]]:
    """Return minutes and mean scores of a learning curve."""
    found = curve(extractor, cohort, people).groupby("minutes")["score"].mean()
    return {"minutes": list(np.round(found.index, 3)), "score": list(found.round(6))}


def run(
    names: Iterable[str],
    *,
    cohorts: Iterable[int] | None = None,
    path: Path = RESULTS,
    language_model: str = "",
    n_jobs: int = 2,
) -> None:
    """Measure what is not there yet, ``n_jobs`` cohorts at a time on one thread each.

    A cohort is simulated once for all questions that are asked together.
    """
    lacking = set() if language_model else {LANGUAGE_MODEL}
    if lacking and any(ARMS[a].learns in lacking for n in names for a in QUESTIONS[n].arms):
        print(f"skipped: the arms of a {LANGUAGE_MODEL}, as --language-model names no folder")
    asked = missing([QUESTIONS[name] for name in names], cohorts, path, lacking)
    with ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as pool:
        done = [
            pool.submit(run_cohort, world, seed, wanted, path, language_model)
            for (world, seed), wanted in asked.items()
        ]
        for number, cohort in enumerate(as_completed(done), 1):
            print(f"cohort {cohort.result()}, {number} of {len(done)}", flush=True)


def lines_of(
    question: Question, cohorts: Iterable[int] | None, path: Path = RESULTS
) -> pd.DataFrame:
    """Return the lines of a question, one per cohort and arm."""
    wanted = set(question.cohorts if cohorts is None else cohorts)
    return pd.DataFrame(
        line for line in read_lines(path)
        if line["measure"] == question.measure and line["world"] == question.world
        and line["cohort"] in wanted and line["arm"] in question.arms
    )  # fmt: skip


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    """Run or show a question."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("verb", choices=["run", "show"])
    parser.add_argument("questions", nargs="+", choices=[*QUESTIONS, "all"], metavar="QUESTION")
    parser.add_argument("--cohorts", type=_range, help="such as 6101-6104; the question's own")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--language-model", default="", help="folder of a text model")
    parser.add_argument("--jobs", type=int, default=2, help="cohorts at a time, a thread each")
    given = parser.parse_args()
    names = list(QUESTIONS) if "all" in given.questions else given.questions
    if given.verb == "run":
        run(names, cohorts=given.cohorts, path=given.results,
            language_model=given.language_model, n_jobs=given.jobs)  # fmt: skip
        return
    for name in names:
        question = QUESTIONS[name]
        print(f"\n### {name}\n\n{show(question, lines_of(question, given.cohorts, given.results))}")


if __name__ == "__main__":
    main()
