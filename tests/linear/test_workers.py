"""Streaming and workers at scale: memory, time, and workers that die. Minutes, not seconds."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import encodekit as ek
from encodekit.data import make_response

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

N_TRS, N_RUNS, N_FEATURES, BLOCK = 1500, 5, 128, 10_000


def features():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_TRS, N_FEATURES)).astype("f4")
    return X, np.repeat(np.arange(N_RUNS), N_TRS // N_RUNS)


def write_responses(path, n_targets, seed=1):
    """Write responses of mixed signal to zarr, a chunk of targets at a time."""
    X, _ = features()
    store = zarr.create_array(
        path, shape=(N_TRS, n_targets), chunks=(N_TRS, BLOCK // 2), dtype="f4", compressors=None
    )
    rng = np.random.default_rng(seed)
    for start in range(0, n_targets, BLOCK // 2):
        size = min(BLOCK // 2, n_targets - start)
        weights = rng.standard_normal((N_FEATURES, size), dtype="f4") / N_FEATURES**0.5
        noise = rng.standard_normal((N_TRS, size), dtype="f4")
        store[:, start : start + size] = 0.4 * (X @ weights) + noise


FIT = """
import json, resource, sys, time, warnings
import dask.array as da, numpy as np, xarray as xr
import encodekit as ek
warnings.simplefilter("ignore")
path, out, n_targets, kind = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
rng = np.random.default_rng(0)
X = rng.standard_normal((1500, 128)).astype("f4")
run = np.repeat([f"story-{k}" for k in range(5)], 300)
time_coords = {"run": ("time", run), "stimulus": ("time", run),
               "tr": ("time", np.tile(np.arange(300), 5)),
               "seconds": ("time", np.tile(2.0 * np.arange(300), 5))}
attrs = {"t_r": 2.0, "sample_offset": 1.0}
features = xr.DataArray(X, dims=("time", "feature"), attrs=attrs,
                        coords=time_coords | {"name": ("feature", [f"f{k}" for k in range(128)]),
                                              "band": ("feature", np.repeat(["a", "b"], 64))})
names = np.char.mod("P1/%07d", np.arange(n_targets))
responses = xr.DataArray(
    da.from_zarr(path)[:, :n_targets], dims=("time", "target"),
    attrs=attrs | {"space": "native", "units": "z", "schema": 1},
    coords=time_coords | {"target": names, "participant": ("target", np.full(n_targets, "P1")),
                          "n_repeats": ("target", np.ones(n_targets, dtype=int))})
start = time.perf_counter()
given = {"block_size": 10_000, "coef_store": out}
if kind == "banded":
    model = ek.BandedRidgeCV(np.logspace(0, 8, 9), search=ek.BandSearch(10), **given)
else:
    model = ek.RidgeCV(np.logspace(0, 8, 15), **given)
model.fit(features, responses)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "r": float(model.best_scores_.mean()),
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


@pytest.fixture
def say(capsys):
    def show(text):
        with capsys.disabled():
            print(text, flush=True)

    return show


def fitted(folder, n_targets, kind):
    """Fit in a process of its own, and return its seconds, mean r and peak memory (GiB)."""
    out = str(folder / f"weights-{n_targets}")
    done = subprocess.run(
        [sys.executable, "-c", FIT, str(folder / "responses"), out, str(n_targets), kind],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert zarr.open_array(out).shape == (N_FEATURES, n_targets)
    return json.loads(done.stdout)


def test_banded_ridge_streams_in_little_memory(tmp_path, say):
    write_responses(tmp_path / "responses", 400_000)
    found = fitted(tmp_path, 400_000, "banded")
    say(f"banded, 400,000 targets, 10 draws: {found}")
    assert found["peak"] < 1.5


def test_a_million_targets_stream_in_little_memory(tmp_path, say):
    write_responses(tmp_path / "responses", 1_000_000)
    measured = {}
    for n_targets in (100_000, 200_000, 400_000, 1_000_000):
        measured[n_targets] = fitted(tmp_path, n_targets, "ridge")
        say(f"{n_targets:,} targets: {measured[n_targets]}")
    sizes = np.array(list(measured), dtype=float)
    seconds = np.array([one["seconds"] for one in measured.values()])
    say(f"R2 of seconds on targets: {np.corrcoef(sizes, seconds)[0, 1] ** 2:.4f}")
    assert np.corrcoef(sizes, seconds)[0, 1] ** 2 > 0.98
    assert measured[400_000]["peak"] < 1.1 * measured[100_000]["peak"]
    assert measured[1_000_000]["peak"] < 1.5


def cluster():
    from distributed import LocalCluster

    return LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)


def problem(n_targets):
    X, runs = features()
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((N_FEATURES, n_targets), dtype="f4") / N_FEATURES**0.5
    Y = 0.4 * (X @ weights) + rng.standard_normal((N_TRS, n_targets), dtype="f4")

    def label(values, **more):
        parts = [
            make_response(values[runs == k], run=f"story-{k}", participant="P1",
                          tr_times=2.0 * np.arange(N_TRS // N_RUNS), t_r=2.0)
            for k in range(N_RUNS)
        ]  # fmt: skip
        return xr.concat(parts, "time", coords="minimal", compat="override", join="exact")

    responses = label(Y)
    time_coords = {
        name: coord.variable for name, coord in responses.coords.items() if coord.dims == ("time",)
    }
    labelled = xr.DataArray(
        X, dims=("time", "feature"), attrs={"t_r": 2.0, "sample_offset": 1.0},
        coords=time_coords | {"name": ("feature", [f"f{k}" for k in range(N_FEATURES)])},
    )  # fmt: skip
    return labelled, responses.chunk({"target": 1000})


def test_a_worker_that_dies_changes_nothing(say):
    from distributed import Client

    X, Y = problem(40_000)
    model = ek.RidgeCV(np.logspace(0, 8, 15), block_size=1000)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with cluster() as workers, Client(workers) as client:
            calm = model.fit(X, Y)
            expected = {name: np.asarray(getattr(calm, name)) for name in ("coef_", "cv_scores_")}
            took, kills = seconds_of(model, X, Y), 0
            while kills < 10:
                # A worker that has just died is none, whether or not the scheduler knows.
                pids = list(client.run(os.getpid, on_error="ignore").values())
                after = rng.uniform(0.1, 0.9) * took
                timer = threading.Timer(after, os.kill, (int(rng.choice(pids)), signal.SIGKILL))
                timer.start()
                fitted = seconds_of(model, X, Y)
                if timer.is_alive():  # too late to disturb this fit
                    timer.cancel()
                    took = fitted
                    continue
                for name, values in expected.items():
                    assert np.array_equal(np.asarray(getattr(model, name)), values, equal_nan=True)
                say(f"kill {kills}: after {after:.1f} s of {fitted:.1f} s, the same result")
                kills += 1
                client.wait_for_workers(2, timeout=60)


def seconds_of(model, X, Y):
    start = time.perf_counter()
    model.fit(X, Y)
    return time.perf_counter() - start


MODELS = {
    "ridge": ek.RidgeCV(np.logspace(0, 8, 15), block_size=5000),
    "banded": ek.BandedRidgeCV(np.logspace(0, 8, 9), search=ek.BandSearch(4), block_size=5000),
}


@pytest.mark.parametrize("kind", list(MODELS))
def test_two_workers_are_as_much_faster_as_two_products_of_matrices(tmp_path, say, kind):
    from distributed import Client, wait

    X, Y = problem(100_000)
    write_responses(tmp_path / "responses", 100_000)
    Y = Y.copy(data=da.from_zarr(tmp_path / "responses"))
    X, model = X.assign_coords(band=("feature", np.repeat(["a", "b"], 64))), MODELS[kind]

    def product(seed):
        rng = np.random.default_rng(seed)
        left, right = rng.standard_normal((2, 1500, 1500), dtype="f4")
        start = time.perf_counter()
        for _ in range(60):
            left @ right
        return time.perf_counter() - start

    seconds, products = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n_workers in (1, 2):
            from distributed import LocalCluster

            with (
                LocalCluster(
                    n_workers=n_workers, threads_per_worker=1, dashboard_address=None
                ) as w,
                Client(w) as client,
            ):
                client.run(lambda: __import__("encodekit").RidgeCV)
                start = time.perf_counter()
                wait([client.submit(product, k, pure=False) for k in range(2)])
                products[n_workers] = time.perf_counter() - start
                start = time.perf_counter()
                model.fit(X, Y)
                seconds[n_workers] = time.perf_counter() - start
    ours, theirs = seconds[1] / seconds[2], products[1] / products[2]
    say(
        f"{kind}, two workers: {ours:.2f} x as fast, two products {theirs:.2f} x; seconds {seconds}"
    )
    assert ours > 0.85 * theirs
