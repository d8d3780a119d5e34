"""The folds of the first look at real brains: `benchmarks/paper/real_brains.py`."""

import importlib
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def real_brains():
    folder = str(Path(__file__).parents[2] / "benchmarks" / "paper")
    sys.path.insert(0, folder)
    yield importlib.import_module("real_brains")
    sys.path.remove(folder)


@pytest.fixture
def look(real_brains, real_data):
    pytest.importorskip("encodekit_brain_tuning")
    return real_brains.Look(real_brains.alice(real_data / "alice"))


def test_thirds_lie_eight_trs_apart_and_begin_after_the_onset(look):
    seconds = [run["seconds"].values for run in look.y]
    assert seconds[0][0] == 20.0 + 16.0
    for one, other in pairwise(seconds):
        assert other[0] - one[-1] == pytest.approx(2.0 * 9)
    assert all(np.all(np.diff(part) == 2.0) for part in seconds)


def test_everybody_is_scored_once_and_never_by_a_model_of_their_own(real_brains, look):
    groups = [look.people(group) for group in range(real_brains.GROUPS)]
    scored = [who for _, some in groups for who in some]
    assert sorted(scored) == sorted(look.study.participants)
    assert all(not set(fits) & set(some) for fits, some in groups)
    assert {len(fits) for fits, _ in groups} == {8}


def test_layer_and_penalty_are_chosen_without_the_scored_third_and_people(real_brains, look):
    fold = real_brains.Fold(third=1, group=2)
    before = [look.choose(model, fold) for model in ("word rate", "mel")]
    rng = np.random.default_rng(0)
    _, scored = look.people(fold.group)
    for third, run in enumerate(look.y):
        noise = rng.standard_normal(run.shape)
        theirs = np.isin(run["participant"], scored)[None, :] | (third == fold.third)
        look.y[third] = run.copy(data=np.where(theirs, noise, run.values))
    look.mean_of.cache_clear()
    assert [look.choose(model, fold) for model in ("word rate", "mel")] == before


def test_word_rate_predicts_people_who_were_left_out(real_brains, look):
    found = [
        look.run("word rate", real_brains.Fold(third, group))
        for third in range(real_brains.THIRDS)
        for group in range(real_brains.GROUPS)
    ]
    r = [value for line in found for value in line["r"].values()]
    assert len(r) == 36
    assert 0.10 < np.mean(r) < 0.18  # .12 to .14 by another program (six folds, no purge)
