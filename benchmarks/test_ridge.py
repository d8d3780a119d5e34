"""The programs of `ridge.py` on its smallest size; equality is asserted before any is timed."""

import importlib.util
from pathlib import Path

import pytest


def _load():
    path = Path(__file__).with_name("ridge.py")
    spec = importlib.util.spec_from_file_location("benchmarks_ridge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()


@pytest.fixture(scope="module")
def problem():
    made = bench.make_problem("tiny")
    bench.check_equal(made, {program.__name__: program(made) for program in bench.PROGRAMS})
    return made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", bench.SAME_SEARCH, ids=lambda one: one.__name__)
def test_ridge(benchmark, problem, program):
    benchmark.pedantic(program, args=(problem,), rounds=3, warmup_rounds=1)
