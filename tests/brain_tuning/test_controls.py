import numpy as np
import pytest
import xarray as xr

from encodekit.data import make_response
from encodekit_brain_tuning import randomise_phases, shift_circularly, shuffle_blocks
from encodekit_brain_tuning.baselines._shuffles import shuffled_rows


@pytest.mark.parametrize("lengths", [[75, 75], [75, 60, 80, 75], [20] * 7])
def test_every_row_moves_once_and_to_another_run(lengths):
    run = np.repeat(np.arange(len(lengths)), lengths)
    for seed in range(20):
        order = shuffled_rows(lengths, 10, np.random.RandomState(seed))
        assert sorted(order) == list(range(sum(lengths)))
        assert (run[order] != run).all()


def test_blocks_stay_together(responses):
    shuffled = shuffle_blocks(responses, block=5, random_state=0)
    before = np.concatenate([run.values for run in responses]).reshape(-1, 5, responses[0].shape[1])
    after = np.concatenate([run.values for run in shuffled]).reshape(before.shape)
    found = [(before == block).all(axis=(1, 2)).argmax() for block in after]
    assert sorted(found) == list(range(len(before)))


def test_what_is_shuffled_is_not_anticorrelated_with_the_truth(responses):
    """Within a run it would be -1 / 3 for four blocks: the mean over blocks is zero."""
    random = np.random.default_rng(0)
    r = []
    for seed in range(200):
        runs = []
        for run in responses:
            values = np.repeat(random.standard_normal((4, run.sizes["target"])), 5, axis=0)
            runs.append(run.copy(data=values - values.mean(axis=0)))
        shuffled = shuffle_blocks(runs, block=5, random_state=seed)
        r += [np.mean(a.values * b.values) for a, b in zip(runs, shuffled, strict=True)]
    assert abs(np.mean(r)) < 4 * np.std(r) / np.sqrt(len(r))


def test_rows_keep_their_place_in_the_audio(responses):
    shuffled = shuffle_blocks(responses, block=5, random_state=0)
    for before, after in zip(responses, shuffled, strict=True):
        assert after.coords.equals(before.coords)


def test_the_originals_stay_as_they_were(responses):
    before = responses[0].values.copy()
    shuffle_blocks(responses, block=5, random_state=0)
    np.testing.assert_array_equal(responses[0].values, before)


def test_one_seed_gives_one_order(responses):
    one, other = (shuffle_blocks(responses, block=5, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(one[2].values, other[2].values)


def test_a_stored_response_stays_lazy(responses):
    lazy = [run.chunk({"time": 7}) for run in responses]
    shuffled = shuffle_blocks(lazy, block=5, random_state=0)[0]
    assert shuffled.chunks is not None
    expected = shuffle_blocks(responses, block=5, random_state=0)[0]
    np.testing.assert_array_equal(shuffled.values, expected.values)


def test_a_block_of_no_tr_is_refused(responses):
    with pytest.raises(ValueError, match="expected 1 TR or more"):
        shuffle_blocks(responses, block=0)


def test_a_run_without_another_to_go_to_is_refused(responses):
    with pytest.raises(ValueError, match="cannot all go to other runs"):
        shuffle_blocks(responses[:1], block=5)


def spectra(run):
    """Cross-spectra (frequency, target, target) of a run."""
    transformed = np.fft.rfft(np.asarray(run.values, float), axis=0)
    return transformed[:, :, None] * transformed[:, None].conj()


def lagged(seed=0, n=(80, 81)):
    """Autocorrelated runs whose targets are correlated, over two participants."""
    rng = np.random.default_rng(seed)
    runs = []
    for number, length in enumerate(n):
        noise = rng.standard_normal((length + 20, 3)) @ rng.standard_normal((3, 6))
        values = np.array([noise[t : t + 4].mean(axis=0) for t in range(length)])
        runs.append(
            xr.concat(
                [
                    make_response(
                        values[:, half].astype("float32"), run=f"story-{number}", participant=who,
                        tr_times=2.0 * np.arange(length), t_r=2.0, hemisphere="left",
                        vertex=np.arange(3),
                    )
                    for who, half in (("P1", slice(3)), ("P2", slice(3, 6)))
                ],
                "target",
                combine_attrs="override",
            )
        )  # fmt: skip
    return runs


CHANGES = {
    "shift": lambda runs, seed: shift_circularly(runs, least=15, random_state=seed),
    "phases": lambda runs, seed: randomise_phases(runs, random_state=seed),
}


@pytest.mark.parametrize("change", CHANGES)
def test_spectra_and_covariances_over_people_are_kept(change):
    for before, after in zip(lagged(), CHANGES[change](lagged(), 0), strict=True):
        np.testing.assert_allclose(spectra(after), spectra(before), rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(after.mean("time"), before.mean("time"), atol=1e-6)
        np.testing.assert_allclose(np.cov(after.values.T), np.cov(before.values.T), atol=1e-6)
        assert after.coords.equals(before.coords)
        assert after.attrs == before.attrs


@pytest.mark.parametrize("change", CHANGES)
def test_the_bond_with_the_audio_is_cut(change):
    """Over draws, r with the truth has the mean and the spread of two unrelated runs."""
    r, unrelated = [], []
    for seed in range(60):
        runs, others = lagged(seed), lagged(1000 + seed)
        for before, after, other in zip(runs, CHANGES[change](runs, seed), others, strict=True):
            r.append(np.corrcoef(before.values[:, 0], after.values[:, 0])[0, 1])
            unrelated.append(np.corrcoef(before.values[:, 0], other.values[:, 0])[0, 1])
    assert abs(np.mean(r)) < 0.08  # a shift within 80 TRs that are alike over 4 costs 4 / 80
    assert 0.7 < np.std(r) / np.std(unrelated) < 1.4


def test_a_shift_moves_whole_rows_and_none_by_less_than_asked():
    for seed in range(30):
        for before, after in zip(lagged(), shift_circularly(lagged(), 15, seed), strict=True):
            n = before.sizes["time"]
            moved = [s for s in range(n) if (np.roll(before.values, s, 0) == after.values).all()]
            assert len(moved) == 1
            assert 15 <= moved[0] <= n - 15


def test_randomised_phases_change_the_order_and_the_values():
    before, after = lagged()[0], randomise_phases(lagged(), random_state=0)[0]
    assert not np.isin(after.values, before.values).any()


def test_a_participant_with_fewer_trs_keeps_their_own_spectrum_and_their_gap():
    runs = lagged()
    runs[0][30:, 3:] = np.nan
    runs[1][:, :3] = np.nan
    drawn = randomise_phases(runs, random_state=0)
    for before, after in zip(runs, drawn, strict=True):
        np.testing.assert_array_equal(np.isnan(after), np.isnan(before))
    np.testing.assert_allclose(
        spectra(drawn[0][:30, 3:]), spectra(runs[0][:30, 3:]), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(
        spectra(drawn[0][:, :3]), spectra(runs[0][:, :3]), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("change", CHANGES)
def test_one_seed_gives_one_draw_of_stored_responses_too(change):
    stored = [run.chunk({"time": 7}) for run in lagged()]
    drawn = CHANGES[change](stored, 3)[1]
    assert drawn.chunks is not None
    np.testing.assert_array_equal(drawn.values, CHANGES[change](lagged(), 3)[1].values)
    assert not (drawn.values == CHANGES[change](lagged(), 4)[1].values).all()


@pytest.mark.parametrize("least", [0, 41])
def test_a_shift_that_no_run_has_room_for_is_refused(least):
    with pytest.raises(ValueError, match="at most half of the shortest run"):
        shift_circularly(lagged(), least=least)
