import numpy as np
import pytest

from encodekit_brain_tuning import shuffle_blocks


def test_blocks_move_whole_and_alike_for_every_participant(responses):
    shuffled = shuffle_blocks(responses, block=5, random_state=0)
    for before, after in zip(responses, shuffled, strict=True):
        blocks = before.values.reshape(4, 5, -1)
        order = [int(np.flatnonzero((blocks == block).all(axis=(1, 2)))[0])
                 for block in after.values.reshape(4, 5, -1)]  # fmt: skip
        assert sorted(order) == [0, 1, 2, 3]
        assert order != [0, 1, 2, 3]


def test_rows_keep_their_place_in_the_audio(responses):
    shuffled = shuffle_blocks(responses, block=5, random_state=0)
    for before, after in zip(responses, shuffled, strict=True):
        assert after.coords.equals(before.coords)


def test_the_originals_stay_as_they_were(responses):
    before = responses[0].values.copy()
    shuffle_blocks(responses, block=5, random_state=0)
    np.testing.assert_array_equal(responses[0].values, before)


def test_a_short_last_block_moves_too(responses):
    values = shuffle_blocks(responses[:1], block=8, random_state=3)[0].values
    np.testing.assert_array_equal(np.sort(values, axis=0), np.sort(responses[0].values, axis=0))


def test_one_seed_gives_one_order(responses):
    one, other = (shuffle_blocks(responses, block=5, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(one[2].values, other[2].values)


def test_two_blocks_are_always_exchanged(responses):
    for seed in range(5):
        values = shuffle_blocks(responses[:1], block=10, random_state=seed)[0].values
        np.testing.assert_array_equal(values[:10], responses[0].values[10:])


def test_a_stored_response_stays_lazy(responses):
    lazy = responses[0].chunk({"time": 7})
    shuffled = shuffle_blocks([lazy], block=5, random_state=0)[0]
    assert shuffled.chunks is not None
    expected = shuffle_blocks(responses[:1], block=5, random_state=0)[0]
    np.testing.assert_array_equal(shuffled.values, expected.values)


@pytest.mark.parametrize("block", [0, 20, 50])
def test_blocks_that_do_not_cut_the_run_are_refused(responses, block):
    with pytest.raises(ValueError, match="do not cut in two"):
        shuffle_blocks(responses, block=block)
