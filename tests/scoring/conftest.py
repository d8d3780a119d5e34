import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter

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


def ar(rng, n_trs, n, phi):
    """Return (time, n) columns of AR(1) of variance 1."""
    n_before = int(np.ceil(np.log(1e-4) / np.log(phi))) if phi else 0
    white = rng.standard_normal((n_before + n_trs, n), dtype=np.float32)
    return lfilter([np.sqrt(1 - phi**2)], [1, -phi], white, axis=0)[n_before:].astype(np.float32)


@pytest.fixture(scope="session")
def autoregressive():
    return ar


@pytest.fixture(scope="session")
def cohort():
    """Return a function: sets of people as (time, target), a set as the region.

    What the people of a set have in common is ``shared`` of their variance.
    """

    def build(rng, *, n_trs, n_sets=1, n_people=20, phi=0.0, shared=0.0, n_runs=1):
        own = ar(rng, n_trs, n_sets * n_people, phi)
        common = np.repeat(ar(rng, n_trs, n_sets, phi), n_people, axis=1)
        number = np.arange(n_sets * n_people)
        return xr.DataArray(
            np.sqrt(np.float32(shared)) * common + np.sqrt(np.float32(1 - shared)) * own,
            dims=("time", "target"),
            coords={
                "run": ("time", (np.arange(n_trs) * n_runs // n_trs).astype(str)),
                "tr": ("time", np.arange(n_trs)),
                "target": number.astype(str),
                "participant": ("target", (number % n_people).astype(str)),
                "region": ("target", number // n_people),
            },
        )

    return build


@pytest.fixture(scope="session")
def reference(reference):
    return reference("nulls")
