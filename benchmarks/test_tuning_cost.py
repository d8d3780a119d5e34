"""Steps of `tuning_cost.py` at a small size; equality is asserted before any is timed."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile


def _load():
    path = Path(__file__).with_name("tuning_cost.py")
    spec = importlib.util.spec_from_file_location("benchmarks_tuning_cost", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    ready = bench.make_bench("small", tmp_path_factory.mktemp("stems"), seconds=60)
    bench.check_equal(ready, 8, [10, 11])
    return bench._calls(ready, [10, 11])


@pytest.mark.parametrize(
    "program", ["published", "joint", "exact 8", "streamed 30", "streamed joined l2"]
)
def test_a_step(benchmark, made, program):
    benchmark.pedantic(made[program], rounds=3, warmup_rounds=1)


@pytest.mark.filterwarnings("ignore::encodekit_brain_tuning.RevertedToPretrainedWarning")
def test_the_two_programs_of_the_tiny_table_begin_at_one_score():
    cohort = bench.make_cohort(0.34, 0.4, seed=0)
    rows = list(bench.published_epochs(cohort, bench.correlation, 1, 3e-4))
    spent, ours = bench.our_epochs(cohort, bench.correlation, 1, bench.Exact(), 16)
    assert min(spent, rows[1][0]) > 0
    assert ours[0] == pytest.approx(rows[0][1], abs=1e-4)
    assert ours[1] != ours[0]
    assert rows[1][1] != rows[0][1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: nothing to measure")
def test_a_gpu_is_kept_busy(benchmark, tmp_path):
    """Throughput (s of audio a second), memory and busy share of bf16 steps on streamed windows."""
    made = bench.make_bench("base", tmp_path, seconds=300)
    model, clips = made.model.to("cuda"), made.clips(bench.Streamed(), people=8, mean=True)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    indices = list(range(1, 9))

    def step():
        batch = {name: part.cuda() for name, part in clips.batch(indices).items()}
        loss = bench.backward(model, batch, bench.l2, torch.bfloat16)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    benchmark.pedantic(step, rounds=5, warmup_rounds=2)
    torch.cuda.reset_peak_memory_stats()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        seconds = bench.timed(lambda: [step() for _ in range(5)])
        torch.cuda.synchronize()
    busy = sum(event.self_device_time_total for event in seen.key_averages()) / 1e6 / seconds
    benchmark.extra_info |= {
        "device": torch.cuda.get_device_name(),
        "audio_seconds_per_second": 5 * len(indices) * 30 / seconds,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
        "busy": busy,
    }
    print(benchmark.extra_info)
