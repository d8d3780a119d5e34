import numpy as np
import pytest
import xarray as xr

from encodekit.data import RunList, make_response


def response(values, run="a", participant="P1", **keywords):
    values = np.asarray(values)
    onsets = 2.0 * np.arange(values.shape[-2])
    return make_response(
        values, run=run, participant=participant, tr_times=onsets, t_r=2.0, **keywords
    )


def beside(*responses):
    """Join the targets of several participants."""
    return xr.concat(responses, "target", coords="minimal", compat="override", join="exact")


@pytest.fixture
def make():
    return response


@pytest.fixture
def join_participants():
    return beside


@pytest.fixture
def two_runs():
    """Return a function of a seed: two runs of 30 and 50 TRs with 3 targets."""

    def build(seed):
        rng = np.random.default_rng(seed)
        return RunList(
            response(rng.standard_normal((n, 3)).astype("f4"), run=run)
            for run, n in (("a", 30), ("b", 50))
        )

    return build
