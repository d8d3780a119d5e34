"""The programs of `permutations.py` on its smallest size; equality is asserted before the time."""

import importlib.util
from pathlib import Path

import pytest


def _load():
    path = Path(__file__).with_name("permutations.py")
    spec = importlib.util.spec_from_file_location("benchmarks_permutations", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()


@pytest.mark.filterwarnings("ignore:permutation_test. with")
@pytest.mark.parametrize("null", ["sign", "phase"])
def test_permutations(benchmark, null):
    arguments = (*bench.make_problem("tiny"), bench.SIZES["tiny"][0], null)
    bench.check_equal(bench.encodekit(*arguments), bench.plain(*arguments), arguments[2])
    benchmark.pedantic(bench.encodekit, args=arguments, rounds=3, warmup_rounds=1)
