import numpy as np
import pytest

from encodekit_brain_tuning import shuffle_blocks
from encodekit_brain_tuning._controls import shuffled_rows


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
