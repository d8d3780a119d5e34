import numpy as np
import pytest

from encodekit.features import pick_layers


@pytest.mark.parametrize(
    ("asked", "layers"),
    [
        (None, [8]),
        (0, [0]),
        (np.int64(12), [12]),
        ([9, 3], [9, 3]),
        (np.array([1, 2], np.uint8), [1, 2]),
        ((), []),
        ("all", list(range(13))),
    ],
)
def test_the_layers_come_as_they_are_asked_for(asked, layers):
    picked = pick_layers(asked, 12)
    assert picked == layers
    assert all(type(layer) is int for layer in picked)


@pytest.mark.parametrize("asked", [1.5, 1.0, [1, 2.5], np.float32(3), True, ["1"], [[1], [2]]])
def test_what_is_no_whole_number_is_refused(asked):
    with pytest.raises(ValueError, match=r"layer=.*: layers are whole numbers from 0 to 12: give"):
        pick_layers(asked, 12)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("last", "layer='last': expected a number from 0 to 12, a list of them, 'all' or None"),
        (13, "layer 13 was asked for; the model has the layers 0 .* to 12"),
        ([1, -1], "layer -1 was asked for"),
        ([3, 3], r"layer=\[3, 3\] names a layer twice: give each once"),
    ],
)
def test_a_layer_that_cannot_be_given_is_answered(asked, message):
    with pytest.raises(ValueError, match=message):
        pick_layers(asked, 12)
