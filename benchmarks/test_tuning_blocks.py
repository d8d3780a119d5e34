"""Epochs of `tuning_blocks.py` at a small size; equality is asserted before any is timed."""

import importlib.util
from pathlib import Path

import pytest


def _load():
    path = Path(__file__).with_name("tuning_blocks.py")
    spec = importlib.util.spec_from_file_location("benchmarks_tuning_blocks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()


@pytest.fixture(scope="module")
def made():
    half, whole = (bench.make_arm("small", n, seconds=60) for n in (1, 2))
    assert (half.model.backbone.n_frozen_blocks, whole.model.backbone.n_frozen_blocks) == (1, 0)
    bench.check_equal(half, whole)
    return bench.calls(half, whole)


@pytest.mark.parametrize("arm", ["half", "whole"])
def test_an_epoch(benchmark, made, arm):
    benchmark.pedantic(made[arm], rounds=3, warmup_rounds=1)
