"""Whoever is killed while saving leaves the old version or the new one, and nothing for ever."""

import os
import random
import signal
import time
from functools import partial

import pytest

from encodekit.core._files import is_partial_name

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def leftovers(folder):
    return [path.name for path in folder.rglob(".*") if is_partial_name(path.name)]


def test_killed_before_any_call_the_old_version_or_the_new_one_is_there(dying, kind, tmp_path):
    calls = (1, 2, 4, 8, 13, 18, 23, 29, 36, 45, 58, 80, 110, 150)
    path = tmp_path / kind.name
    kind.save(path, 1)
    if path.is_dir():
        (path / "notes").write_text("mine")
    for number in calls:
        died = dying.dies_before_call(number, lambda: kind.save(path, 2))
        assert kind.load(path) in (1, 2)
        kind.save(path, 1)
        assert leftovers(tmp_path) == []
        if path.is_dir():
            assert (path / "notes").read_text() == "mine"
        if not died:
            break


def test_killed_before_the_first_version_is_whole_it_can_be_saved(dying, kind, tmp_path):
    for number in (2, 4, 7, 11, 16, 20, 26, 33):
        path = tmp_path / f"{number}" / kind.name
        path.parent.mkdir()
        dying.dies_before_call(number, partial(kind.save, path, 2))
        if path.exists():
            assert kind.load(path) in (2, None)  # None: a folder of checkpoints without one yet
        kind.save(path, 2)
        assert kind.load(path) == 2
        assert leftovers(path.parent) == []


def killed_at_random(kind, path, longest, draw):
    def save_for_ever():
        number = 0
        while True:
            number += 1
            kind.save(path, 1 + number % 2)

    child = os.fork()
    if child == 0:
        save_for_ever()
    time.sleep(draw.uniform(0.02, longest))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def kill_campaign(kind, path, n_kills):
    draw = random.Random(0)
    kind.save(path, 1)
    begun = time.monotonic()
    kind.save(path, 1)
    longest = 0.05 + 4 * (time.monotonic() - begun)
    for _ in range(n_kills):
        killed_at_random(kind, path, longest, draw)
        assert kind.load(path) in (1, 2)
        kind.save(path, 1)
        assert leftovers(path.parent) == []


def test_a_few_kills_at_random_moments(kind, tmp_path):
    kill_campaign(kind, tmp_path / kind.name, 4)


@pytest.mark.slow
def test_forty_kills_at_random_moments(kind, tmp_path):
    kill_campaign(kind, tmp_path / kind.name, 40)


def loads_beside_a_writer(kind, path, n_loads):
    """Load ``n_loads`` times while another process saves over the same; return what was loaded."""
    kind.save(path, 1)
    child = os.fork()
    if child == 0:
        while True:
            kind.save(path, 2)
            kind.save(path, 1)
    try:
        return {kind.load(path) for _ in range(n_loads)}
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_loads_beside_a_writer_are_of_one_version(saved_over, tmp_path):
    assert loads_beside_a_writer(saved_over, tmp_path / saved_over.name, 60) <= {1, 2}


@pytest.mark.slow
def test_five_hundred_loads_beside_a_writer_are_of_one_version(saved_over, tmp_path):
    assert loads_beside_a_writer(saved_over, tmp_path / saved_over.name, 500) == {1, 2}


def test_two_savers_at_once_disturb_neither_each_other_nor_the_loader(dying, saved_over, tmp_path):
    path = tmp_path / saved_over.name

    def save_often(number):
        for _ in range(15):
            saved_over.save(path, number)

    children = []
    for number in (1, 2):
        child = os.fork()
        if child == 0:
            os._exit(dying.outcome(partial(save_often, number)))
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert ended == [0, 0]
    assert saved_over.load(path) in (1, 2)
    assert [item.name for item in tmp_path.iterdir()] == [saved_over.name]
