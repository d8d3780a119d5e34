import numpy as np
import pandas as pd
import pytest

from encodekit.data import Stimulus, Study, make_response

T_R = 2.0
RATE = 1000


def sound(seed, seconds=40.0):
    return np.random.default_rng(seed).normal(size=int(seconds * RATE)).astype(np.float32)


@pytest.fixture(scope="session")
def new_stimulus():
    """Make a stimulus of 40 s of noise with 18 TRs of 2 s."""

    def new(seed=0, name=None, n_trs=18, **more):
        words = pd.DataFrame({"word": ["the", "fox"], "onset": [0.5, 1.25], "duration": [0.2, 0.4]})
        given = {"words": words, "tr_times": np.arange(n_trs) * T_R, "t_r": T_R, **more}
        return Stimulus(f"story-{seed:02d}" if name is None else name, sound(seed), RATE, **given)

    return new


@pytest.fixture(scope="session")
def new_response():
    """Make the response of one participant to a stimulus."""

    def new(stimulus, owner="P1", /, *, n_targets=3, n_repeats=None, rows=None, **more):
        rng = np.random.default_rng(list(map(ord, stimulus.run_name + owner)))
        rows = np.arange(stimulus.n_trs) if rows is None else np.asarray(rows)
        shape = (rows.size, n_targets)
        given = {
            "run": stimulus.run_name,
            "stimulus": stimulus.name,
            "participant": owner,
            "tr_times": stimulus.grid[rows],
            "tr": rows,
            "t_r": T_R,
            "hemisphere": ["left", "right", "right"][:n_targets],
            "vertex": [7, 7, 123][:n_targets],
            "region": ["A1", "A1", "STSda"][:n_targets],
            "space": "fsaverage5",
            **more,
        }
        values = rng.normal(size=shape if n_repeats is None else (n_repeats, *shape))
        return make_response(values.astype(np.float32), **given)

    return new


@pytest.fixture(scope="session")
def stimuli(new_stimulus):
    return [new_stimulus(seed) for seed in range(4)]


@pytest.fixture
def study(stimuli, new_response):
    """P1 has all; P2 lacks story-01, is short in story-02 and has 3 repeats where P1 has 2."""
    a, b, c, d = stimuli
    one = {s.run_name: new_response(s, "P1") for s in (a, b, c)}
    two = {
        a.run_name: new_response(a, "P2", n_targets=2),
        c.run_name: new_response(c, "P2", n_targets=2, rows=range(12)),
    }
    one[d.run_name] = new_response(d, "P1", n_repeats=2)
    two[d.run_name] = new_response(d, "P2", n_targets=2, n_repeats=3)
    return Study("tiny", stimuli, {"P1": one, "P2": two})
