"""The modes of `extraction.py` at a small size; equality is asserted before any is timed."""

import importlib.util
from pathlib import Path

import pytest


def _load():
    path = Path(__file__).with_name("extraction.py")
    spec = importlib.util.spec_from_file_location("benchmarks_extraction", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()


@pytest.fixture(scope="module")
def made():
    ready = bench.make_model(**bench.SMALL)
    bench.check_equal(*ready)
    return ready


@pytest.mark.parametrize("program", ["one_at_a_time", "exact", "chunked"])
def test_extraction(benchmark, made, program):
    benchmark.pedantic(getattr(bench, program), args=made, rounds=3, warmup_rounds=1)
