"""A first look at real brains: Whisper tiny.en tuned on twelve people who heard one chapter.

    python benchmarks/paper/real_brains.py ../shared/data/alice

Brennan et al. (2016), CC BY 4.0: six language regions, 12 minutes. The recording cannot be had:
the same words at their times by a SYNTHETIC voice stand in for it, which nobody in the scanner
heard. What comes out is exploratory.

Eight people tune and fit, four are scored; two thirds of the story tune and fit, the third is
scored, with 8 TRs (16 s) between; people and thirds rotate. Motion and drifts are taken out of the
whole run beforehand, alike for all models. Layer and penalty are chosen within
the two thirds: a model tuned and a ridge fitted on one, scored on the other, each way. A ridge
that is scored on the TRs that tuned its model would see what it was told. The control is tuned on
fMRI that is shifted by half of each run. Steps and rate are those of the suite's arms with Whisper,
which were chosen on simulated people; an earlier look at these data had tried others.

Twelve people heard one story, and four at a time share a tuned model and its seed: an interval over
people says nothing of other stories, and there is no test of these data alone that would.
"""

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arms import as_json
from estimates import paired
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import RunList, Study, make_response, split_runs
from encodekit_brain_tuning import BrainTunedFeatures, Runtime, Streamed, TopBlocks, Training

RESULTS = Path(__file__).with_name("real_brains.jsonl")
THIRDS, GROUPS, STEPS, RATE = 3, 3, 64, 3e-4
ALPHAS = np.logspace(1, 6, 11)
READ = Streamed(30.0, 8.0)
SEED = 0
UPDATE = TopBlocks(2)
SETTINGS = [THIRDS, GROUPS, STEPS, RATE, ALPHAS.tolist(), READ, UPDATE, SEED]
MODELS = ("word rate", "mel", "pretrained", "tuned", "tuned, shifted")


def alice(folder: Path) -> Study:
    """Return the study in thirds: motion and 12 cosines removed, the first 8 rows left out."""
    arrays = np.load(folder / "bold.npz")
    table = pd.read_csv(folder / "words.csv").rename(columns={"onset_audio": "onset"})
    words = table.assign(duration=table.offset_audio - table.onset, word=table.word.astype(str))
    times = float(arrays["row0_audio_s"]) + 2.0 * np.arange(arrays["bold"].shape[1])
    people, regions = arrays["participants"].tolist(), arrays["rois"].tolist()
    responses = {
        who: {"alice": make_response(bold, run="alice", participant=who, region=regions, t_r=2.0,
                                     tr_times=times, units="scanner")}
        for who, bold in zip(people, arrays["bold"], strict=True)
    }  # fmt: skip
    motion = {who: {"alice": of} for who, of in zip(people, arrays["motion"], strict=True)}
    sound = folder / "respoken.flac"
    stimulus = ek.Stimulus("alice", sound, words=words, tr_times=times, t_r=2.0)
    study = ek.Study("alice", [stimulus], responses, confounds=motion)
    study = study.clean(ek.ConfoundRemover(n_cosines=12)).trim("16s")
    return study.segment("alice", THIRDS, gap="16s")


@dataclass(frozen=True)
class Fold:
    """Which third and which group of people are scored."""

    third: int
    group: int


class Look:
    """The study, its models, and what they predict."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.y = [ek.RunScaler().fit_transform(run) for run in study.responses()]
        self.mean_of = cache(self._mean_of)
        self.features = cache(self._features)

    def people(self, group: int) -> tuple[list[str], list[str]]:
        """Return who tunes and fits, and who is scored."""
        scored = self.study.participants[group::GROUPS]
        return [who for who in self.study.participants if who not in scored], scored

    def _mean_of(self, group: int) -> list[xr.DataArray]:
        """Return the mean response of who fits, per third."""
        fits, _ = self.people(group)
        return list(ek.group_mean(self.of(self.y, fits)))

    @staticmethod
    def of(runs: Any, people: list[str]) -> RunList:
        """Return the targets of some people."""
        return RunList(run.isel(target=np.isin(run["participant"], people)) for run in runs)

    def _features(self, model: str, group: int, thirds: tuple[int, ...]) -> list[xr.DataArray]:
        """Return a model's layers on every third, delayed and z-scored, tuned on ``thirds``."""
        if model == "word rate":
            steps: Any = make_pipeline(ek.WordRate(), ek.CanonicalHRF(), ek.RunScaler())
            return split_runs(steps.fit_transform(self.study.stimuli))
        extractor: Any
        if model == "mel":
            extractor = ek.MelSpectrogram(n_mels=32)
        elif model == "pretrained":
            extractor = ek.SpeechFeatures("whisper-tiny.en", layer="all", resample="mean",
                                          windows=READ)  # fmt: skip
        else:
            extractor = self.tuned(group, thirds, shifted="shifted" in model)
        steps = make_pipeline(ek.Delayer(seconds=[2, 4, 6, 8]), ek.RunScaler())
        return split_runs(steps.fit_transform(extractor.transform(self.study.stimuli)))

    def tuned(self, group: int, thirds: tuple[int, ...], *, shifted: bool) -> Any:
        """Return Whisper tuned on the fMRI of who fits, on some thirds; the last step is kept."""
        fits, _ = self.people(group)
        runs = self.of([self.y[n] for n in thirds], fits)
        if shifted:
            runs = RunList(run.roll(time=run.sizes["time"] // 2) for run in runs)
        extractor = BrainTunedFeatures(
            "whisper-tiny.en", layer="all", update=UPDATE, windows=READ,
            training=Training(budget=("steps", STEPS), batch_size=1, learning_rate=RATE,
                              keep="last"),
            runtime=Runtime(cache=None, stem_cache=None, stem_dtype="float32", device="cpu"),
            random_state=SEED,
        )  # fmt: skip
        return extractor.fit([self.study.stimuli[n] for n in thirds], runs)

    def choose(self, model: str, fold: Fold) -> tuple[int, float]:
        """Return the layer and the penalty that do best from one training third to the other."""
        one, other = (n for n in range(THIRDS) if n != fold.third)
        total: dict[tuple[int, float], float] = {}
        for fit, score in ((one, other), (other, one)):
            runs = self.features(model, *self._tuned_by(model, fold.group, (fit,)))
            for layer, alpha in product(layers_of(runs[0]), ALPHAS):
                r = self.score(runs, layer, alpha, fold.group, [fit], score)
                total[layer, alpha] = total.get((layer, alpha), 0.0) + float(r.mean())
        return max(total, key=lambda key: total[key])

    @staticmethod
    def _tuned_by(model: str, group: int, thirds: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """Return the group and the thirds that tuned a model; the same for all that none did."""
        return (group, thirds) if model.startswith("tuned") else (0, ())

    def score(
        self, runs: list[xr.DataArray], layer: int, alpha: float, group: int, fit: list[int],
        test: int, people: list[str] | None = None,
    ) -> xr.DataArray:  # fmt: skip
        """Return r (target) of a ridge on the mean response, on who fits unless told otherwise."""
        some = [of_layer(run, layer) for run in runs]
        mean = self.mean_of(group)
        model = ek.RidgeCV([alpha], cv=KFold(2))  # there is one penalty to take
        model.fit([some[n] for n in fit], [mean[n] for n in fit])
        guess = model.predict([some[test]])
        if people is None:
            return ek.correlation([mean[test]], guess)
        true = self.of([self.y[test]], people)[0]
        rows = [guess.sel(target=guess["region"] == name).values[:, 0] for name in true["region"]]
        return ek.correlation([true], true.copy(data=np.stack(rows, axis=1)))

    def run(self, model: str, fold: Fold) -> dict[str, Any]:
        """Return r of each scored person, the mean over regions."""
        began = time.process_time()
        layer, alpha = self.choose(model, fold)
        thirds = [n for n in range(THIRDS) if n != fold.third]
        runs = self.features(model, *self._tuned_by(model, fold.group, tuple(thirds)))
        _, scored = self.people(fold.group)
        r = self.score(runs, layer, alpha, fold.group, thirds, fold.third, scored)
        by_person = r.groupby("participant").mean()
        return {
            "model": model, "third": fold.third, "group": fold.group, "layer": layer,
            "alpha": float(alpha), "cpu_seconds": round(time.process_time() - began, 1),
            "r": {str(who): round(float(by_person.sel(participant=who)), 5) for who in scored},
        }  # fmt: skip


def layers_of(run: xr.DataArray) -> list[int]:
    """Return the layers of features; [0] for those that have none."""
    return np.unique(run["layer"]).tolist() if "layer" in run.coords else [0]


def of_layer(run: xr.DataArray, layer: int) -> xr.DataArray:
    """Return the features of one layer."""
    if "layer" not in run.coords:
        return run
    return run.isel(feature=np.flatnonzero(run["layer"].values == layer))


def show(lines: list[dict[str, Any]]) -> str:
    """Return every person's r under each model, and the differences over people."""
    each = [line["model"] for line in lines]
    whole = [model for model in MODELS if each.count(model) == THIRDS * GROUPS]
    table = pd.DataFrame(
        {"person": who, "model": line["model"], "r": r, "third": line["third"]}
        for line in lines
        if line["model"] in whole
        for who, r in line["r"].items()
    )
    wide = table.groupby(["person", "model"])["r"].mean().unstack()
    wide = wide[whole]
    said = ["| person | " + " | ".join(wide.columns) + " |", "|---" * (wide.shape[1] + 1) + "|"]
    said += [f"| {who} | " + " | ".join(f"{v:.3f}" for v in row) + " |"
             for who, row in wide.iterrows()]  # fmt: skip
    said += [
        "",
        "| difference | mean | 95 % over people, this story and seed | above 0 | thirds |",
        "|---" * 5 + "|",
    ]
    pairs = [
        ("tuned", "pretrained"),
        ("tuned", "tuned, shifted"),
        ("tuned", "word rate"),
        ("tuned, shifted", "pretrained"),
        ("pretrained", "word rate"),
        ("pretrained", "mel"),
    ]
    thirds = table.groupby(["third", "model"])["r"].mean().unstack()
    for one, other in pairs:
        if {one, other} <= set(wide.columns):
            found = paired(wide[one] - wide[other])
            apart = ", ".join(f"{v:+.3f}" for v in thirds[one] - thirds[other])
            said.append(f"| {one} - {other} | {found.mean:+.4f} | {found.low:+.4f} to "
                        f"{found.high:+.4f} | {found.above} of {found.n} | {apart} |")  # fmt: skip
    return "\n".join(said)


def main() -> None:
    """Measure what is not there yet, and print the table."""
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="bold.npz, words.csv, respoken.flac")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    given = parser.parse_args()
    path = given.results
    text = json.dumps(as_json(SETTINGS))
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    read = path.read_text().splitlines() if path.exists() else []
    lines = [line for line in map(json.loads, read) if line["key"] == key]
    done = {(line["model"], line["third"], line["group"]) for line in lines}
    look = Look(alice(given.folder))
    for group, model, third in product(range(GROUPS), given.models, range(THIRDS)):
        if (model, third, group) not in done:
            lines.append({"key": key, **look.run(model, Fold(third, group))})
            with path.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(lines[-1], flush=True)
    print(show(lines))


if __name__ == "__main__":
    main()
