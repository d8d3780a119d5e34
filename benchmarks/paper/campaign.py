"""The paper's comparisons on simulated cohorts, one question at a time.

    python benchmarks/paper/campaign.py run QUESTION --cohorts 4101-4110
    python benchmarks/paper/campaign.py show QUESTION

A question compares arms: ways to tune that differ in one thing. ``run`` appends a JSON line for
each cohort and arm that the file does not hold yet, so that it goes on where it was stopped and
questions share what they have in common. ``show`` prints every cohort, and each difference with
its 95 % t interval over cohorts.

Settings were chosen on cohorts 501 and 502, and which weights are kept by default on 521 to 532.
In every cohort eight people hear all stories four times. Tuning takes the first hearing of the
first four people, or all four hearings where an arm says so. Three stories validate, six fit the
ridge and six test it on the other four people.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import RunList, split_runs
from encodekit.reports import t_interval
from encodekit_brain_tuning import BrainTunedFeatures, GlasserSelector, Streamed, Training
from encodekit_brain_tuning.baselines import CONTROLS

_COUNTS = 1e-4  # a gain; the pretrained features of two versions of libraries differ by less
RESULTS = Path(__file__).with_name("results.jsonl")
DEVELOPMENT, FRESH = (501, 502, *range(521, 533)), tuple(range(4101, 4111))
OF_DEVELOPMENT = ("keep", "keep, long")  # questions whose answer is a default
N_TUNE, N_VALIDATE, N_FIT, N_TEST, N_TUNED, N_REPEATS = 8, 3, 6, 6, 4, 4
N_STORIES = N_TUNE + N_VALIDATE + N_FIT + N_TEST
STEPS = 16
COHORT = {
    "n_participants": 8, "n_stories": N_STORIES, "minutes": 40 / 60, "n_test": N_STORIES,
    "test_repeats": N_REPEATS, "snr": (0.05, 0.3), "vertices": 800,
}  # fmt: skip
TUNING = {
    "update": "all_weights", "windows__chunk": 40.0, "training__learning_rate": 1e-3,
    "training__batch_size": 1, "training__patience": None, "training__keep": "two_se",
    "runtime__cache": None, "runtime__stem_cache": None, "runtime__stem_dtype": "float32",
    "runtime__device": "cpu",
}  # fmt: skip
READ = Streamed(chunk=40.0, overlap=8.0)
SCORED = GlasserSelector(["late_language"])
DELAYS, ALPHAS = (2.0, 4.0, 6.0, 8.0), tuple(np.logspace(1, 6, 6))


@dataclass(frozen=True)
class Arm:
    """One way to tune.

    Attributes
    ----------
    people : tuple of int
        Whose fMRI.
    stories : tuple of int
        Which of the tuning stories.
    apart : bool
        Whether each person heard a part of the stories of their own.
    repeats : int
        How many hearings of each story are averaged.
    control : str, optional
        One of ``CONTROLS``.
    passes : int
        Multiple of `STEPS` optimizer steps.
    tuning : dict
        Parameters of `BrainTunedFeatures` that differ, as of its ``set_params``.
    """

    people: tuple[int, ...] = tuple(range(N_TUNED))
    stories: tuple[int, ...] = tuple(range(N_TUNE))
    apart: bool = False
    repeats: int = 1
    control: str | None = None
    passes: int = 1
    tuning: Mapping[str, Any] = field(default_factory=dict)


HEADS = ("individual", "low_rank", "bottleneck", "mlp", "unseen")  # beside the shared one
QUARTER = tuple(range(N_TUNE // 4))
ARMS: dict[str, Arm | None] = {
    "pretrained": None,
    "joint": Arm(),
    **{f"single P{n + 1}": Arm(people=(n,)) for n in range(N_TUNED)},
    "shuffled": Arm(control="blocks"),
    "phases": Arm(control="phases"),
    "4 people, a quarter each": Arm(apart=True),
    "4 people, the same quarter": Arm(stories=QUARTER),
    "1 person, a quarter 4 times": Arm(people=(0,), stories=QUARTER, repeats=4),
    "correlation": Arm(tuning={"loss": "correlation"}),
    "correlation, a quarter": Arm(stories=QUARTER, tuning={"loss": "correlation"}),
    "exact": Arm(
        tuning={"windows": "exact", "training__batch_size": 20}
    ),  # about the TRs of one story
    "exact, haemodynamic": Arm(
        tuning={"windows": "exact", "windows__pooling": "haemodynamic", "training__batch_size": 20}
    ),
    "joined, whole stories": Arm(
        tuning={"windows__chunk": 10.0, "windows__overlap": 1.0, "windows__join": 46.0}
    ),
    "joined": Arm(  # a story is two stretches that share a window
        tuning={
            "windows__chunk": 10.0,
            "windows__overlap": 1.0,
            "windows__join": 28.0,
            "training__batch_size": 2,
        }
    ),
    "sequential, equal steps": Arm(tuning={"participants": "sequential"}),
    "sequential, equal pairs": Arm(passes=N_TUNED, tuning={"participants": "sequential"}),
    "srm": Arm(tuning={"participants": "shared_response"}),
    **{f"{head} head": Arm(tuning={"head": head}) for head in HEADS},
}
KEPT = ("joint", "single P1", "shuffled")  # by two standard errors; others by what follows
ARMS |= {
    f"{name}, {keep}": replace(ARMS[name], tuning={"training__keep": keep})  # type: ignore[type-var]
    for name in KEPT
    for keep in ("last", "best")
}
LONG = ("joint", "single P1")  # four times the steps
ARMS |= {
    f"{name}, {keep}, {4 * STEPS} steps": replace(
        ARMS[name],
        passes=4,
        tuning={"training__keep": keep},  # type: ignore[type-var]
    )
    for name in LONG
    for keep in ("last", "best")
}
Difference = tuple[str, tuple[str, ...], tuple[str, ...]]  # name, mean of these minus mean of those
SINGLES = tuple(f"single P{n + 1}" for n in range(N_TUNED))
QUESTIONS: dict[str, tuple[Difference, ...]] = {
    "keep": tuple(
        (f"{name}{rule} - pretrained", (f"{name}{rule}",), ("pretrained",))
        for name in KEPT
        for rule in ("", ", best", ", last")
    )
    + tuple(
        (f"{name}, best - {name}, last", (f"{name}, best",), (f"{name}, last",)) for name in KEPT
    ),
    "keep, long": tuple(
        (
            f"{name}, best - last, {4 * STEPS} steps",
            (f"{name}, best, {4 * STEPS} steps",),
            (f"{name}, last, {4 * STEPS} steps",),
        )
        for name in LONG
    ),
    "people": (
        ("multi - pretrained", ("joint",), ("pretrained",)),
        ("singles - pretrained", SINGLES, ("pretrained",)),
        ("multi - mean of the singles", ("joint",), SINGLES),
        *((f"multi - {name}", ("joint",), (name,)) for name in SINGLES),
    ),
    "controls": (
        ("shuffled - pretrained", ("shuffled",), ("pretrained",)),
        ("phases - pretrained", ("phases",), ("pretrained",)),
        ("multi - pretrained", ("joint",), ("pretrained",)),
    ),
    "hours": (
        ("4 x own quarter - 1 x all", ("4 people, a quarter each",), ("single P1",)),
        ("4 x own quarter - mean of 1 x all", ("4 people, a quarter each",), SINGLES),
        ("4 x same quarter - mean of 1 x all", ("4 people, the same quarter",), SINGLES),
        (
            "4 x same quarter - 1 x 4 repeats",
            ("4 people, the same quarter",),
            ("1 person, a quarter 4 times",),
        ),
        (
            "4 x own quarter - 1 x 4 repeats",
            ("4 people, a quarter each",),
            ("1 person, a quarter 4 times",),
        ),
    ),
    "loss": (
        ("correlation - l2, all stories", ("correlation",), ("joint",)),
        (
            "correlation - l2, a quarter",
            ("correlation, a quarter",),
            ("4 people, the same quarter",),
        ),
    ),
    "windows": (
        ("streamed - exact", ("joint",), ("exact",)),
        ("streamed - exact, haemodynamic", ("joint",), ("exact, haemodynamic",)),
        ("joined - exact", ("joined",), ("exact",)),
        ("joined - exact, haemodynamic", ("joined",), ("exact, haemodynamic",)),
        ("joined - streamed", ("joined",), ("joint",)),
        ("joined, whole stories - streamed", ("joined, whole stories",), ("joint",)),
    ),
    "strategies": tuple(
        (f"{name} - joint", (name,), ("joint",))
        for name in ("sequential, equal steps", "sequential, equal pairs", "srm")
    ),
    "heads": tuple((f"{head} - shared head", (f"{head} head",), ("joint",)) for head in HEADS),
}


def arms_of(question: str) -> list[str]:
    """Return the arms that a question needs, each once."""
    named = [arm for _, plus, minus in QUESTIONS[question] for arm in (*plus, *minus)]
    return list(dict.fromkeys(named))


@dataclass(frozen=True)
class Cohort:
    """One simulated cohort, cut into what tunes, validates, fits and tests."""

    seed: int
    parts: Any

    @classmethod
    def simulate(cls, seed: int) -> "Cohort":
        """Simulate it and cut it by story."""
        study = ek.simulate_study(seed=seed, cache=False, **COHORT)
        names = iter([stimulus.name for stimulus in study.stimuli])
        sizes = {"tune": N_TUNE, "validate": N_VALIDATE, "fit": N_FIT, "test": N_TEST}
        return cls(
            seed, study.split(**{k: [next(names) for _ in range(n)] for k, n in sizes.items()})
        )

    def tuning_data(self, arm: Arm) -> tuple[list[Any], RunList, tuple[list[Any], RunList]]:
        """Return stimuli, responses, and the (stimuli, responses) that validate."""
        tune, validate = self.parts.tune, self.parts.validate
        people = [tune.participants[n] for n in arm.people]
        responses = _hearings(tune, people, arm.repeats)
        if arm.apart:
            responses = RunList(
                run.isel(target=run.participant.values == people[place % len(people)])
                for place, run in enumerate(responses)
            )
        held = _hearings(validate, people, arm.repeats)
        if arm.control:
            change = CONTROLS[arm.control]
            responses, held = (change(runs, random_state=self.seed) for runs in (responses, held))
        chosen = [tune.stimuli[n] for n in arm.stories]
        return chosen, RunList(responses[n] for n in arm.stories), (validate.stimuli, held)

    def held_out(self) -> tuple[Any, Any]:
        """Return the parts that fit and test, of the people whom nothing was tuned on."""
        people = self.parts.fit.participants[N_TUNED:]
        return tuple(part.select(participants=people) for part in (self.parts.fit, self.parts.test))


def _hearings(study: Any, people: list[str], n: int) -> RunList:
    """Return the mean of the first ``n`` hearings of each story."""
    heard = study.repeats(participants=people, regions=SCORED).isel(repeat=slice(n))
    mean = heard.mean("repeat", keep_attrs=True).drop_vars("n_repeats")
    return split_runs(mean)


def pretrained_features() -> ek.SpeechFeatures:
    """Return the features before tuning, read as those of a model tuned on streamed windows are."""
    resample = BrainTunedFeatures.resample
    return ek.SpeechFeatures("tiny", layer="all", resample=resample, windows=READ)


def tuned(cohort: Cohort, arm: Arm) -> BrainTunedFeatures:
    """Tune as ``arm`` says, for `STEPS` steps times its passes; the best validated weights stay."""
    stimuli, responses, validation = cohort.tuning_data(arm)
    steps = STEPS * arm.passes
    extractor = BrainTunedFeatures(
        "tiny",
        layer="all",
        random_state=cohort.seed,
        training=Training(budget=("steps", steps), validate_every=steps // 4),
    )
    # exact windows have no chunk
    common = {k: v for k, v in TUNING.items() if "windows" not in arm.tuning or k[:7] != "windows"}
    extractor.set_params(**{**common, **arm.tuning})
    extractor.fit(stimuli, responses, validation=validation)
    return extractor.set_params(windows=READ)  # all are read in one way


def measure(cohort: Cohort, name: str) -> dict[str, Any]:
    """Return what one arm gives in one cohort."""
    arm, began = ARMS[name], time.process_time()
    if arm is None:
        extractor, kept, steps = pretrained_features(), 0, 0
    else:
        extractor = tuned(cohort, arm)
        history = extractor.history_
        kept, steps = int(history["step"][history["kept"]].iloc[0]), int(history["step"].iloc[-1])
    tuning = time.process_time() - began
    fit, test = cohort.held_out()
    model = make_pipeline(
        FrozenEstimator(extractor), ek.Delayer(seconds=list(DELAYS)), ek.RunScaler(),
        ek.LayerSelector(ek.RidgeCV(alphas=ALPHAS)),
    )  # fmt: skip
    model.fit(fit.stimuli, fit.responses(regions=SCORED))
    by_person = ek.evaluate(model, test, fit=fit, targets=SCORED).table("participant")
    return {
        "score": float(by_person["score"].mean()),
        "raw": float(by_person["raw"].mean()),
        "layer": int(model[-1].best_layer_),
        "steps": steps,
        "kept_step": kept,
        "cpu_seconds": round(tuning, 1),
    }


def key_of(name: str) -> str:
    """Return what identifies an arm with all that decides its result."""
    arm = ARMS[name]
    parts = [COHORT, TUNING, STEPS, None if arm is None else asdict(arm)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def read_results(path: Path = RESULTS) -> pd.DataFrame:
    """Return the lines of ``path`` that belong to the present settings."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    table = pd.DataFrame(lines, columns=["cohort", "arm", "key", "score", *_REST])
    keys = {name: key_of(name) for name in ARMS}
    return table[[keys.get(row.arm) == row.key for row in table.itertuples()]]


_REST = ("raw", "layer", "steps", "kept_step", "cpu_seconds")


def run(question: str, cohorts: Iterable[int], path: Path = RESULTS) -> pd.DataFrame:
    """Measure what is not there yet, and return the question's lines."""
    import torch

    torch.set_num_threads(1)
    done = {(row.cohort, row.arm) for row in read_results(path).itertuples()}
    for seed in cohorts:
        missing = [name for name in arms_of(question) if (seed, name) not in done]
        if missing:
            cohort = Cohort.simulate(seed)
        for name in missing:
            line = {"cohort": seed, "arm": name, "key": key_of(name), **measure(cohort, name)}
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
    table = read_results(path)
    return table[table["arm"].isin(arms_of(question)) & table["cohort"].isin(list(cohorts))]


def differences(table: pd.DataFrame, question: str) -> Iterator[tuple[str, pd.Series]]:
    """Yield each difference of a question, per cohort that has all its arms."""
    wide = table.pivot(index="cohort", columns="arm", values="score")
    for name, plus, minus in QUESTIONS[question]:
        yield name, (wide[list(plus)].mean(axis=1, skipna=False)
                     - wide[list(minus)].mean(axis=1, skipna=False)).dropna()  # fmt: skip


def show(table: pd.DataFrame, question: str) -> str:
    """Return the table of a question: every cohort, and each difference with its interval."""
    wide = table.pivot(index="cohort", columns="arm", values="score")[arms_of(question)]
    lines = ["| cohort | " + " | ".join(wide.columns) + " |", "|---" * (wide.shape[1] + 1) + "|"]
    lines += [
        f"| {cohort} | " + " | ".join(f"{score:.3f}" for score in scores) + " |"
        for cohort, scores in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    lines += ["", f"| difference | mean | 95 % interval | above {_COUNTS:g} |", "|---|---|---|---|"]
    for name, gain in differences(table, question):
        mean, low, high, n = t_interval(gain)
        above = int((gain > _COUNTS).sum())
        between = f"{low:+.4f} to {high:+.4f}" if n > 1 else "too few cohorts"
        lines.append(f"| {name} | {mean:+.4f} | {between} | {above} of {n} |")
    return "\n".join(lines)


def _cohorts(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    """Run or show a question."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("verb", choices=["run", "show"])
    parser.add_argument("question", choices=[*QUESTIONS, "all"])
    parser.add_argument("--cohorts", type=_cohorts, default=list(FRESH), help="4101-4110")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    for question in QUESTIONS if given.question == "all" else [given.question]:
        if given.verb == "run":
            run(question, given.cohorts, given.results)
            continue
        table = read_results(given.results)
        table = table[table["cohort"].isin(given.cohorts) & table["arm"].isin(arms_of(question))]
        print(f"\n### {question}\n\n{show(table, question)}")


if __name__ == "__main__":
    main()
