"""What extraction of speech features costs, exact and chunked: equal frames first, then the time.

    python benchmarks/extraction.py               # wav2vec2-base size, a minute
    python benchmarks/extraction.py --cohorts 5   # what chunks cost in held-out r, 10 minutes

Exact: windows of 16 s that end every 0.1 s, of which the last frame counts, as published. They are
compared with `tests/reference/context.py`, one window at a time. Chunked: 30 s with 8 s of overlap.
"""

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from transformers import Wav2Vec2Config, Wav2Vec2Model

from encodekit.features import Stem, encode_context, encode_layers

RATE, LAYER, CONTEXT, STRIDE = 16000, 8, 16.0, 0.1
SMALL = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128,
         "conv_dim": (16,) * 7}  # fmt: skip


def _reference() -> Any:
    path = Path(__file__).parents[1] / "tests" / "reference" / "context.py"
    spec = importlib.util.spec_from_file_location("context", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_model(**changes: Any) -> tuple[Any, Any]:
    """Return a model with random weights and three windows of noise."""
    torch.manual_seed(0)
    model = Wav2Vec2Model(Wav2Vec2Config(**changes)).eval()
    rng = np.random.default_rng(0)
    return model, rng.standard_normal(int(3 * CONTEXT * RATE)).astype(np.float32)


def exact(model: Any, sound: Any) -> Any:
    """encodekit's exact mode on whole windows, one after the other."""
    return encode_context(model, sound, [LAYER], context=CONTEXT, stride=CONTEXT)[1][LAYER]


def one_at_a_time(model: Any, sound: Any) -> Any:
    """The reference on the same windows."""
    field = Stem.of(model.config).field
    given = {"rate": RATE, "context": CONTEXT, "stride": CONTEXT, "field": field}
    return _reference().last_frames(model, sound, LAYER, **given)


def chunked(model: Any, sound: Any) -> Any:
    """encodekit's chunked mode."""
    return encode_layers(model, sound, [LAYER])[1][LAYER]


def check_equal(model: Any, sound: Any) -> float:
    """Raise unless the exact mode gives the frames of one window at a time."""
    error = float(np.abs(exact(model, sound) - one_at_a_time(model, sound)).max())
    assert error < 1e-5, f"exact frames differ by {error:.1e} from one window at a time"
    return error


def timed(call: Callable[..., Any], *given: Any) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    call(*given)
    return time.perf_counter() - start


def base(repeats: int) -> None:
    """Time the three at wav2vec2-base size, in turns; the fastest of each counts."""
    model, sound = make_model()
    print(f"layer {LAYER} of 12; exact frames differ by {check_equal(model, sound):.1e} at most")
    programs = (one_at_a_time, exact, chunked)
    rounds = [[timed(program, model, sound) for program in programs] for _ in range(repeats)]
    single, whole, chunks = np.min(rounds, axis=0)
    seconds = sound.size / RATE
    per_second = {  # three windows were timed; a second of audio has 1 / STRIDE of them
        "one window at a time": single / 3 / STRIDE,
        "exact": whole / 3 / STRIDE,
        "chunked": chunks / seconds,
    }
    for name, spent in per_second.items():
        print(f"{name:22s} {spent:8.3f} s per second of audio   "
              f"{per_second['exact'] / spent:7.2f} x the speed of exact")  # fmt: skip


def score(seed: int, window: str) -> float:
    """Mean held-out r of four simulated people from layer 3 of "tiny"."""
    from sklearn.pipeline import make_pipeline

    import encodekit as ek

    study = ek.simulate_study(4, 5, minutes=0.75, n_test=1, vertices=150, seed=seed)
    train, test = study.split(test=study.truth.attrs["test_stories"])
    pipeline = make_pipeline(
        ek.SpeechFeatures("tiny", layer=3, window=window, context=CONTEXT, stride=STRIDE),
        ek.Delayer(seconds=[2, 4, 6, 8]),
        ek.RidgeCV(alphas=np.logspace(0, 7, 15)),
    )
    pipeline.fit(train.stimuli, train.responses())
    return float(ek.correlation(test.responses(), pipeline.predict(test.stimuli)).mean())


def cohorts(n: int) -> None:
    """Print each cohort's r in both modes, and a t interval of the difference."""
    differences = []
    for seed in range(100, 100 + n):
        whole, chunks = score(seed, "context"), score(seed, "stream")
        differences.append(chunks - whole)
        print(f"cohort {seed}: exact r {whole:.4f}, chunked r {chunks:.4f}", flush=True)
    mean, error = np.mean(differences), stats.sem(differences)
    low, high = stats.t.interval(0.95, n - 1, mean, error)
    print(f"chunked minus exact: {mean:+.4f} [{low:+.4f}, {high:+.4f}], {n} cohorts")


def main() -> None:
    """Print the times, or what chunks cost in r."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cohorts", type=int, default=0, help="simulated, of each mode's score")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.cohorts:
        cohorts(chosen.cohorts)
    else:
        base(chosen.repeats)


if __name__ == "__main__":
    main()
