"""What an epoch of brain-tuning costs against the published loop: equal gradients, then the time.

    python benchmarks/tuning_cost.py                                  # wav2vec2-base, 7 minutes
    python benchmarks/tuning_cost.py --size tiny --loss correlation   # whole epochs, 5 minutes

The published loop is `tests/reference/published_tuning.py`: participants in turn, each clip of
10 s encoded anew with the frozen stem in it. Both sides share weights, data, batches, head and
AdamW, float32 where bfloat16 is not named, and dropout is off; at "tiny" size the head of both
begins at a ridge solution and both have one learning rate. What is done once (the stem, the ridge)
is no part of an epoch.
"""

import argparse
import importlib.util
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from encodekit.data import Stimulus
from encodekit.features import Stem
from encodekit_brain_tuning import (
    AllWeights,
    BrainTunedFeatures,
    Exact,
    Lora,
    Runtime,
    Streamed,
    Training,
)
from encodekit_brain_tuning.backbones import Backbone, StemCache, load_backbone, make_clips
from encodekit_brain_tuning.backbones._windows import FrameGrid
from encodekit_brain_tuning.heads import SharedHeadModule
from encodekit_brain_tuning.losses import correlation, l2
from encodekit_brain_tuning.targets import RunTargets, SharedTargets, align, weighted_mean
from encodekit_brain_tuning.training import (
    Batch,
    RunningAlignment,
    TuningClips,
    TuningModel,
    start_head,
)

RATE, T_R = 16000, 2.0
SIZES: dict[str, dict[str, Any]] = {
    "base": {},
    "small": {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "conv_dim": (16,) * 7,
    },
}  # fmt: skip
N_TARGETS = {"base": 30172, "small": 200}
BATCH, WINDOWS = 128, 8  # clips and windows of a step, in the arithmetic of an epoch
JOINED = Streamed(10.0, 1.0, join=118.0)  # 13 windows, of which one is shared


def _reference() -> Any:
    path = Path(__file__).parents[1] / "tests" / "reference" / "published_tuning.py"
    spec = importlib.util.spec_from_file_location("published_tuning", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


published = _reference()


class Whole(nn.Module):
    """A backbone with its stem back in front, called with waveforms as transformers' own model."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.model, self.feature_extractor = backbone.model, backbone.stem

    def forward(self, samples: Tensor) -> Any:
        frames = self.feature_extractor(samples)
        return SimpleNamespace(last_hidden_state=self.model(frames).last_hidden_state)


@dataclass
class Bench:
    """One story, heard by all people, and both programs with the same weights."""

    model: TuningModel
    loop: Any
    story: Any
    stimulus: Stimulus
    shared: SharedTargets
    stems: StemCache

    def clips(self, windows: Streamed | Exact, *, people: int, mean: bool = False) -> TuningClips:
        """Return the clips for the first people; for their mean, as L2 is tuned on."""
        run = self.shared.runs["story"]
        some = RunTargets(run.values[:people], run.weights[:people], run.heard[:people], run.spread)
        targets = SharedTargets(
            self.shared.keys, self.shared.participants[:people],
            {"story": weighted_mean(some) if mean else some},
        )  # fmt: skip
        return TuningClips([self.stimulus], targets, self.model.backbone, windows, self.stems)


def make_bench(size: str, folder: Path, seconds: int = 60, people: int = 8) -> Bench:
    """Random weights by config, LoRA as published but without dropout, noise for data."""
    rng, n_targets = np.random.default_rng(0), N_TARGETS[size]
    torch.manual_seed(0)
    config = Wav2Vec2Config(**SIZES[size], layerdrop=0.0, apply_spec_augment=False)
    whole = Wav2Vec2Model(config)
    for name in ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"):
        setattr(config, name, 0.0)
    whole.eval()  # dropout off on both sides
    backbone = Backbone(whole, rate=RATE, normalise=True, name=size)
    Lora().prepare(backbone)
    model = TuningModel(backbone, SharedHeadModule(backbone.n_features, n_targets))
    audio = rng.standard_normal(seconds * RATE, dtype=np.float32)
    stimulus = Stimulus("story", audio, RATE, t_r=T_R)
    true = rng.standard_normal((people, stimulus.n_trs, n_targets), dtype=np.float32)
    names = tuple(f"P{n}" for n in range(1, people + 1))
    heard = np.ones(true.shape[:2], bool)
    targets = RunTargets(true, np.ones_like(true), heard, np.zeros(stimulus.n_trs))
    shared = SharedTargets(tuple(map(str, range(n_targets))), names, {"story": targets})
    story = published.Story(audio, stimulus.grid, T_R, dict(zip(names, true, strict=True)))
    loop = published.PublishedLoop(
        Whole(backbone), Wav2Vec2FeatureExtractor(do_normalize=True), model.head, correlation
    )
    return Bench(model, loop, story, stimulus, shared, StemCache(folder, dtype="float32"))


def backward(
    model: TuningModel, batch: Batch, loss: Any, dtype: torch.dtype | None = None
) -> float:
    """The forward and backward pass of encodekit's step; returns the loss."""
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
        predicted = model(batch["frames"], batch["pooling_weights"])
    found = loss(predicted.float(), batch["true"], batch["mask"])
    found.backward()
    return float(found.detach())


def gradient(model: nn.Module, call: Callable[[], Any]) -> Tensor:
    """All gradients that one call leaves, as one vector."""
    model.zero_grad()
    call()
    found = [p.grad.ravel() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return torch.cat(found)


def check_equal(bench: Bench, people: int, rows: list[int]) -> float:
    """Raise unless one joint gradient is the mean of the published gradients of the people."""
    names = bench.shared.participants[:people]
    worst = 0.0
    for loss, mean in ((correlation, False), (l2, True)):
        bench.loop.loss = loss
        batch = bench.clips(Exact(), people=people, mean=mean).batch(rows)
        ours = gradient(bench.model, lambda b=batch, f=loss: backward(bench.model, b, f))
        theirs = [
            gradient(bench.model, lambda p=p: bench.loop.backward(bench.story, np.array(rows), [p]))
            for p in names
        ]
        expected = torch.stack(theirs).mean(dim=0)
        worst = max(worst, float(torch.linalg.norm(ours - expected) / torch.linalg.norm(expected)))
    assert worst < 1e-4, f"the joint gradient differs from the published mean by {worst:.1e}"
    return worst


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def typical(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each call over rounds in which all take turns, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(1 + repeats):
        for name, call in calls.items():
            seconds[name].append(timed(call))
    return {name: float(np.median(spent[1:])) for name, spent in seconds.items()}


def base(size: str, repeats: int) -> None:
    """Time a few steps and scale them to an epoch of an hour."""
    with tempfile.TemporaryDirectory() as folder:
        bench = make_bench(size, Path(folder), seconds=118)
        rows = [10, 11]
        error = check_equal(bench, 2, rows[:1])
        print(f"joint gradient of two people against the mean of the published two: {error:.1e}")
        seconds = typical(_calls(bench, rows), repeats)
        _print_epoch(seconds, len(rows))


def _calls(bench: Bench, rows: list[int]) -> dict[str, Callable[[], Any]]:
    model, loop, story, names = bench.model, bench.loop, bench.story, bench.shared.participants
    loop.loss = correlation
    where = np.array(rows)
    calls: dict[str, Callable[[], Any]] = {
        "published": lambda: loop.backward(story, where, names[:1]),
        "joint": lambda: loop.backward(story, where, names),
    }
    for people in (1, 2, 4, 8):
        batch = bench.clips(Exact(), people=people).batch(rows)
        calls[f"exact {people}"] = lambda b=batch: backward(model, b, correlation)
    mean = bench.clips(Exact(), people=8, mean=True).batch(rows)
    calls["exact l2"] = lambda: backward(model, mean, l2)
    calls["exact bf16"] = lambda: backward(model, mean, l2, torch.bfloat16)
    for chunk in (16, 20, 30, 40):
        window = bench.clips(Streamed(chunk), people=8).batch([1])
        calls[f"streamed {chunk}"] = lambda b=window: backward(model, b, correlation)
    whole = bench.clips(Streamed(), people=8, mean=True).batch([1])
    calls["streamed l2"] = lambda: backward(model, whole, l2)
    calls["streamed bf16"] = lambda: backward(model, whole, l2, torch.bfloat16)
    for name, loss in (("correlation", correlation), ("l2", l2)):
        joined = bench.clips(JOINED, people=8, mean=loss is l2).batch([0])
        calls[f"streamed joined {name}"] = lambda b=joined, f=loss: backward(model, b, f)
    calls["optimizer"] = loop.optimizer.step
    return calls


def _print_epoch(seconds: dict[str, float], n_rows: int) -> None:
    """The epoch of an hour heard by 8 people, from the seconds of steps."""
    trs, step = 3600 / T_R, seconds["optimizer"]
    per_clip = {name: spent / n_rows for name, spent in seconds.items() if "streamed" not in name}
    n_windows = {
        chunk: int(np.ceil((3600 - chunk) / (chunk - 8))) + 1 for chunk in (16, 20, 30, 40)
    }
    clips = (f"{name} {spent:.2f} s" for name, spent in per_clip.items() if name != "optimizer")
    print(f"an hour heard by 8: {trs:.0f} TRs; an optimizer step {step:.3f} s; a clip of 10 s: "
          + ", ".join(clips))  # fmt: skip
    windows = (f"{name} {spent:.2f} s" for name, spent in seconds.items() if "streamed" in name)
    print(f"windows: {', '.join(windows)}; there are {n_windows}")
    epochs = {"published loop": 8 * trs * per_clip["published"] + 8 * trs / BATCH * step}
    for label, name in (
        ("joint, stem anew, correlation", "joint"),
        ("+ stem kept: exact, correlation", "exact 8"),
        ("+ stem kept: exact, l2", "exact l2"),
        ("+ stem kept: exact, l2, bfloat16", "exact bf16"),
    ):
        epochs[label] = trs * per_clip[name] + trs / BATCH * step
    for chunk in (16, 20, 30, 40):
        n = n_windows[chunk]
        epochs[f"+ streamed, {chunk} s, correlation"] = (
            n * seconds[f"streamed {chunk}"] + n / WINDOWS * step
        )
    n = n_windows[30]
    for name, label in (("l2", "l2"), ("bf16", "l2, bfloat16")):
        epochs[f"+ streamed, 30 s, {label}"] = n * seconds[f"streamed {name}"] + n / WINDOWS * step
    n = _n_joined(3600)
    for name in ("correlation", "l2"):
        epochs[f"+ streamed, 10 s joined over 118 s, {name}"] = (
            n * seconds[f"streamed joined {name}"] + n * step
        )
    for label, spent in epochs.items():
        times = epochs["published loop"] / spent
        print(f"{label:46s} {spent / 3600:8.2f} h   {times:6.1f} x")
    print("where each story was heard by 7 of 8, the published loop alone costs 7/8 of this")
    print("people, exact, correlation: " + "; ".join(
        f"{people}: {per_clip[f'exact {people}']:.2f} s a clip, "
        f"{per_clip[f'exact {people}'] / per_clip['exact 1']:.2f} x one" for people in (1, 2, 4, 8)
    ))  # fmt: skip


def _n_joined(seconds: int) -> float:
    """How many clips so much audio has; the last, of fewer windows, counts as a part."""
    grid = FrameGrid(RATE, Stem.of(Wav2Vec2Config()))
    onsets = np.arange(0.0, seconds, T_R)
    clips = make_clips(JOINED, seconds * RATE, grid, onsets, T_R)
    return sum(len(clip.windows) for clip in clips) / len(clips[0].windows)


@dataclass
class Cohort:
    """A simulated study's stories to tune and to validate on."""

    stimuli: list[Stimulus]
    responses: Any
    held: tuple[list[Stimulus], Any]
    people: list[str]


def make_cohort(missing: float, minutes: float, seed: int) -> Cohort:
    """Three stories to tune on and one, the mean of 8 repeats, to validate on."""
    import encodekit as ek

    study = ek.simulate_study(
        8, 4, minutes=minutes, n_test=1, vertices=150, missing=missing, seed=seed
    )
    (last,) = study.truth.attrs["test_stories"]
    parts = study.split(tune=[name for name in study.runs if name != last], validate=[last])
    held = (parts.validate.stimuli, parts.validate.responses())
    return Cohort(parts.tune.stimuli, parts.tune.responses(), held, study.participants)


def published_epochs(cohort: Cohort, loss: Any, n_epochs: int, lr: float) -> Iterator[Any]:
    """Yield (seconds, validation r) of the untuned model, then of each published epoch."""
    lengths = {item.run_name: item.n_trs for item in [*cohort.stimuli, *cohort.held[0]]}
    shared = align(cohort.responses, lengths, z_score=True)
    watched = align(cohort.held[1], lengths, z_score=True, like=shared)
    backbone = load_backbone("tiny", dropout=0.0)
    AllWeights().prepare(backbone)
    model = TuningModel(backbone, SharedHeadModule(backbone.n_features, len(shared.keys)))
    start_head(model, TuningClips(cohort.stimuli, shared, backbone, Exact()), 16)
    stories = [_story(item, shared, backbone.rate) for item in cohort.stimuli]
    held = _story(cohort.held[0][0], watched, backbone.rate)
    n_steps = n_epochs * sum(-(-len(story.onsets) // 16) * len(story.measured) for story in stories)
    loop = published.PublishedLoop(
        Whole(backbone), Wav2Vec2FeatureExtractor(do_normalize=True), model.head, loss, lr, 16,
        n_steps,
    )  # fmt: skip
    yield 0.0, _validate(loop, held, watched, cohort.held[0][0].run_name)
    for _ in range(n_epochs):
        start = time.perf_counter()
        loop.epoch(stories)
        spent = time.perf_counter() - start
        yield spent, _validate(loop, held, watched, cohort.held[0][0].run_name)


def _story(stimulus: Stimulus, shared: SharedTargets, rate: int) -> Any:
    run = shared.runs[stimulus.run_name]
    measured = {
        person: run.values[place]
        for place, person in enumerate(shared.participants)
        if run.weights[place].any()
    }
    onsets = stimulus.grid + stimulus.offset - float(stimulus.t_r or 0) / 2
    return published.Story(stimulus.load_audio(rate), onsets, float(stimulus.t_r or 0), measured)


@torch.no_grad()
def _validate(loop: Any, held: Any, watched: SharedTargets, name: str) -> float:
    loop.model.eval()
    rows = torch.zeros(len(held.onsets), watched.runs[name].values.shape[-1])
    for some in loop.batches(held):
        rows[torch.from_numpy(some)] = loop.predict(held, some)
    run, seen = watched.runs[name], RunningAlignment()
    true, mask = (torch.from_numpy(part)[:, None] for part in (run.values, run.weights))
    seen.add([name], [np.zeros(len(rows), int)], rows[None, None], true, mask)
    return seen.found().r


def our_epochs(
    cohort: Cohort,
    loss: Any,
    n_epochs: int,
    windows: Streamed | Exact,
    batch_size: int,
    lr: float = 1e-3,
) -> tuple[float, Any]:
    """Return (seconds of an epoch, validation r after 0, 1, ... epochs) of `BrainTunedFeatures`."""
    with tempfile.TemporaryDirectory() as folder:
        plain = BrainTunedFeatures(
            "tiny", loss=loss, update=AllWeights(dropout=0.0), windows=windows,
            training=Training(3, lr, batch_size, head_learning_rate=lr, patience=None),
            runtime=Runtime("cpu", stem_cache=folder),
        )  # fmt: skip
        tuned = clone(plain).set_params(training__epochs=n_epochs)
        plain.fit(cohort.stimuli, cohort.responses)
        spent = float(np.min(np.diff(plain.history_["seconds"])))
        tuned.fit(cohort.stimuli, cohort.responses, validation=cohort.held)
    return spent, tuned.history_["validation_r"].to_numpy()


def tiny(label: str, minutes: float, seed: int, lr: float) -> None:
    """Whole epochs of the backbone "tiny", and the seconds to one held-out score.

    With "l2" everybody heard all stories, with "correlation" a third of them is lacking. ``lr`` is
    the published loop's, which takes 8 times the steps; the others have 1e-3.
    """
    loss, missing = {"l2": (l2, 0.0), "correlation": (correlation, 0.34)}[label]
    cohort = make_cohort(missing, minutes, seed)
    n_trs = sum(item.n_trs for item in cohort.stimuli)
    pairs = sum(
        int(run.notnull().groupby("participant").any("target").sum()) for run in cohort.responses
    )
    print(f"{label}: {n_trs} TRs, {pairs} (TR, participant) pairs", flush=True)
    rows = list(published_epochs(cohort, loss, 5, lr))
    slow = float(np.min([spent for spent, _ in rows[1:]]))
    found = {"published loop": (slow, np.array([r for _, r in rows]))}
    found["joint, exact, stem kept"] = our_epochs(cohort, loss, 8, Exact(), 16)
    exact = Exact("haemodynamic")
    found["joint, exact, haemodynamic"] = our_epochs(cohort, loss, 8, exact, 16)
    for chunk in (12.0, 20.0, 30.0):
        streamed = our_epochs(cohort, loss, 16, Streamed(chunk), 2)
        found[f"joint, streamed, {chunk:g} s"] = streamed
    for join in (19.0, 28.0, 46.0):
        joined = our_epochs(cohort, loss, 16, JOINED.replace(join=join), 1)
        found[f"joint, streamed, 10 s over {join:g} s"] = joined
    _print_scores(found)
    if loss is l2:
        _print_people(cohort)


def _print_scores(found: dict[str, tuple[float, Any]]) -> None:
    """Cost of an epoch, and seconds of tuning to the best score of the published loop."""
    slow, rows = found["published loop"]
    target = float(np.nanmax(rows))
    for name, (spent, r) in found.items():
        there = np.flatnonzero(r >= target)
        seconds = f"{there[0] * spent:8.1f} s" if there.size else "not reached"
        print(f"{name:32s} {spent:8.2f} s an epoch {slow / spent:6.1f} x   r untuned {r[0]:.3f}, "
              f"best {np.nanmax(r):.3f}; to {target:.3f}: {seconds}", flush=True)  # fmt: skip


def _print_people(cohort: Cohort) -> None:
    """Seconds of an epoch by people tuned on jointly, under a loss that sees each of them."""
    for windows, batch_size in ((Exact(), 16), (Streamed(), 2)):
        spent = {}
        for n in (1, 2, 4, 8):
            kept = [
                run.isel(target=run.participant.isin(cohort.people[:n]).values)
                for run in cohort.responses
            ]
            heard = [run for run in kept if run.sizes["target"]]
            names = {str(run.run.values[0]) for run in heard}
            stimuli = [item for item in cohort.stimuli if item.run_name in names]
            some = Cohort(stimuli, heard, cohort.held, cohort.people[:n])
            spent[n] = our_epochs(some, correlation, 1, windows, batch_size)[0]
        table = (f"{n}: {s:.2f} s an epoch, {s / spent[1]:.2f} x one" for n, s in spent.items())
        print(f"people, {windows!r}: " + "; ".join(table))


def main() -> None:
    """Print the table of one size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=["base", "small", "tiny"], default="base")
    parser.add_argument("--repeats", type=int, default=4, help="of each step; the median counts")
    parser.add_argument("--loss", choices=["l2", "correlation"], default="l2", help='of "tiny"')
    parser.add_argument("--published-lr", type=float, default=3e-4)
    parser.add_argument("--minutes", type=float, default=0.75, help="of each simulated story")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.size == "tiny":
        tiny(chosen.loss, chosen.minutes, chosen.seed, chosen.published_lr)
    else:
        base(chosen.size, chosen.repeats)


if __name__ == "__main__":
    main()
