"""Which transformer blocks are meant: the highest ones, or some by their numbers."""

from collections.abc import Iterator, Sequence

from encodekit_brain_tuning.backbones import Backbone


def chosen_blocks(said: str, blocks: int | Sequence[int], backbone: Backbone) -> list[int]:
    """Return the numbers (from 1) of the ``blocks`` highest, or those that are given, in order.

    They are counted down from the layer that the head reads.

    Raises
    ------
    ValueError
        If the backbone has fewer blocks below that layer; ``said`` is how they were asked for.
    """
    there = backbone.pooled_layer
    wanted = range(there - blocks + 1, there + 1) if isinstance(blocks, int) else blocks
    if min(wanted) < 1 or max(wanted) > there:
        few = "at most as many" if isinstance(blocks, int) else f"numbers from 1 to {there}"
        raise ValueError(
            f"{said}: the head reads layer {there}, which has {there} blocks below it: pass {few}"
        )
    return sorted(wanted)


def mistakes_of_blocks(blocks: int | Sequence[int] | None) -> Iterator[str]:
    """Say what is wrong with a number of blocks, or a list of their numbers."""
    if blocks is None:
        return
    numbers = [blocks] if isinstance(blocks, int) else list(blocks)
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    if not (numbers and whole and min(numbers) >= 1 and len({*numbers}) == len(numbers)):
        yield (
            f"blocks={blocks!r}: expected how many of the highest blocks, a list of different "
            "numbers from 1, such as [3, 4], or None for all"
        )
