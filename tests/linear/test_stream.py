"""Responses and weights larger than memory, here and on the workers of a dask client."""

import warnings

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import encodekit as ek

pytestmark = pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")


@pytest.fixture
def client():
    from distributed import Client, LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        )
        with cluster, Client(cluster) as client:
            yield client


def lazily(Y, chunk=4):
    return Y.chunk({"target": chunk})


def same_fit(one, other):
    for name in ("coef_", "intercept_", "best_alphas_", "cv_scores_", "training_mean_"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


def test_weights_go_to_a_folder_and_are_read_from_it(labelled, tmp_path):
    X, Y = labelled(participants=("P1", "P2", "P3"))
    Y.values[3, 4] = np.nan
    here = ek.RidgeCV(block_size=2).fit(X, Y)
    stored = ek.RidgeCV(block_size=2, coef_store=tmp_path / "weights").fit(X, lazily(Y))
    assert isinstance(stored.coef_.data, da.Array)
    same_fit(here, stored)
    predicted = stored.predict(X)
    assert isinstance(predicted.data, da.Array)
    assert np.allclose(predicted, here.predict(X), atol=1e-5, equal_nan=True)
    assert stored.score(X, lazily(Y)) == pytest.approx(here.score(X, Y))


def test_weights_are_never_written_over_others(labelled, tmp_path):
    X, Y = labelled()
    ek.RidgeCV(coef_store=tmp_path / "weights").fit(X, Y)
    with pytest.raises(FileExistsError, match="weights"):
        ek.RidgeCV(coef_store=tmp_path / "weights").fit(X, Y)


def test_a_client_gives_what_one_process_gives(labelled, client, tmp_path):
    X, Y = labelled(participants=("P1", "P2", "P3"))
    Y.values[np.ix_(Y.run.values == "story-1", Y.participant.values == "P2")] = np.nan
    here = ek.RidgeCV(block_size=2).fit(X, Y)
    there = ek.RidgeCV(block_size=2).fit(X, lazily(Y))
    same_fit(here, there)
    same_fit(here, ek.RidgeCV(block_size=2, coef_store=tmp_path / "w").fit(X, lazily(Y)))


def test_a_task_of_a_worker_scores_without_waiting_for_others(labelled, client):
    """Tasks that fill every thread and wait for further tasks would wait for ever."""
    _, Y = labelled(participants=("P1", "P2", "P3"))
    lazy, guess = lazily(Y), Y + np.random.default_rng(0).standard_normal(Y.shape)
    tasks = client.map(lambda _: ek.correlation(lazy, guess).values, range(4), pure=False)
    expected = ek.correlation(Y, guess).values
    assert all(np.allclose(task.result(timeout=60), expected) for task in tasks)


def losing(client, monkeypatch, times):
    """Let what the client sends to workers get lost, as if the last of them that had it died."""
    scatter, sent = client.scatter, []

    def send(*arguments, **keywords):
        future = scatter(*arguments, **keywords)
        sent.append(future)
        if len(sent) <= times:
            future.cancel()
        return future

    monkeypatch.setattr(client, "scatter", send)
    return sent


def test_what_workers_share_is_sent_again_when_they_have_lost_it(labelled, client, monkeypatch):
    X, Y = labelled(participants=("P1", "P2", "P3"))
    here = ek.RidgeCV(block_size=2).fit(X, Y)
    sent = losing(client, monkeypatch, 2)
    same_fit(here, ek.RidgeCV(block_size=2).fit(X, lazily(Y)))
    assert len(sent) == 3


def test_workers_that_are_lost_again_and_again_are_an_error(labelled, client, monkeypatch):
    X, Y = labelled(participants=("P1", "P2", "P3"))
    losing(client, monkeypatch, 1000)
    with pytest.raises(RuntimeError, match="5 blocks of targets were lost 10 times"):
        ek.RidgeCV(block_size=2).fit(X, lazily(Y))


def test_only_one_block_of_targets_is_in_memory(labelled):
    X, Y = labelled(participants=("P1", "P2", "P3", "P4"))
    sizes = []

    def watch(block):
        sizes.append(block.shape[1])
        return block

    data = da.from_array(Y.values, chunks=(-1, 3)).map_blocks(watch, dtype=Y.dtype)
    sizes.clear()
    ek.RidgeCV(block_size=3).fit(X, xr.DataArray(data, coords=Y.coords, dims=Y.dims, attrs=Y.attrs))
    assert set(sizes) == {3}
    assert len(sizes) <= 3 * 4  # the look for missing rows, and the fit
