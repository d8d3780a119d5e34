"""Which layers of a model are asked for."""

from collections.abc import Sequence

import numpy as np


def pick_layers(asked: int | Sequence[int] | str | None, n_layers: int) -> list[int]:
    """Return the layers that ``layer=`` of an extractor means, in the order in which it has them.

    Parameters
    ----------
    asked : int, list of int, "all" or None
        0 is the input of the first block, k the output of block k; None is two thirds of the way
        up. An empty list is no layer.
    n_layers : int
        Blocks of the model.

    Raises
    ------
    ValueError
        For another text, numbers that are not whole, a layer that the model does not have, or one
        that is named twice.

    Examples
    --------
    >>> pick_layers(None, 12), pick_layers([0, 9], 12), pick_layers("all", 3)
    ([8], [0, 9], [0, 1, 2, 3])
    """
    if asked is None:
        return [round(2 * n_layers / 3)]
    if isinstance(asked, str):
        if asked != "all":
            raise ValueError(
                f"layer={asked!r}: expected a number from 0 to {n_layers}, a list of them, 'all' "
                "or None"
            )
        return list(range(n_layers + 1))
    layers = np.atleast_1d(np.asarray(asked))
    if layers.ndim > 1 or (layers.size and layers.dtype.kind not in "iu"):
        raise ValueError(
            f"layer={asked!r}: layers are whole numbers from 0 to {n_layers}: give one, or a list"
        )
    picked = [int(layer) for layer in layers]
    if picked:
        check_layers(picked, n_layers)
    if len(set(picked)) < len(picked):
        raise ValueError(f"layer={asked!r} names a layer twice: give each once")
    return picked


def check_layers(layers: Sequence[int], n_layers: int) -> None:
    """Raise ValueError for no layer, and for those that a model of ``n_layers`` does not have."""
    unknown = [layer for layer in layers if not 0 <= layer <= n_layers]
    if unknown or not len(layers):
        asked = f"layer {unknown[0]}" if unknown else "no layer"
        raise ValueError(
            f"{asked} was asked for; the model has the layers 0 (input of the first block) to "
            f"{n_layers} (output of the last)"
        )
