"""Low-rank adapters learn beside the transformer's linear maps."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from encodekit.core import unknown_name
from encodekit.features import transformer_blocks
from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.updates._base import Update
from encodekit_brain_tuning.updates._blocks import chosen_blocks, mistakes_of_blocks

_ATTENTION = (
    "q_proj", "k_proj", "v_proj", "out_proj",
    "linear_q", "linear_k", "linear_v", "linear_out",  # of a Conformer
)  # fmt: skip
MODULES = {
    "attention": _ATTENTION,
    "attention+feed_forward": (*_ATTENTION, "intermediate_dense", "output_dense", "fc1", "fc2"),
}
_PARTS = 4  # of attention: q, k, v and out


class Lora(Update):
    """Adapters of low rank learn beside linear maps of the transformer (LoRA, by peft).

    The blocks below the lowest that has adapters are computed once and kept, without dropout.

    Parameters
    ----------
    rank : int
    modules : str or list of str
        Linear maps that get adapters: ``"attention"`` (q, k, v and out, as the backbone names
        them), ``"attention+feed_forward"``, or names of its own, such as ``["q_proj"]``.
    alpha : float, optional
        4 x rank if not given, so that another rank keeps the scale (as published: 32 at rank 8).
    blocks : int or list of int, optional
        Which blocks get adapters: so many of the highest, counted down from the layer that the
        head reads, or those of these numbers, from 1; all if not given.
    dropout : float, optional
        See `Update`.
    """

    rank: int = 8
    modules: str | Sequence[str] = "attention"
    alpha: float | None = None
    blocks: int | Sequence[int] | None = None

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        yield from super().mistakes()
        if self.rank < 1:
            yield f"rank={self.rank}: expected at least 1"
        yield from mistakes_of_blocks(self.blocks)

    def apply(self, backbone: Backbone) -> None:
        """Add the adapters, up to the layer that the head reads.

        Raises
        ------
        ValueError
            If a name is no linear map of the blocks, those of attention have other names, or a
            block is above the layer that the head reads.
        """
        from peft import LoraConfig, inject_adapter_in_model

        own = backbone.model.config
        scale: Any = 4 * self.rank if self.alpha is None else self.alpha
        blocks = backbone.pooled_layer if self.blocks is None else self.blocks
        numbers = chosen_blocks(f"Lora(blocks={self.blocks})", blocks, backbone)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=scale,
            # the adapters' dropout is the backbone's own, of hidden states
            lora_dropout=float(getattr(own, "hidden_dropout", getattr(own, "dropout", 0.0))),
            target_modules=linear_maps(backbone, self.modules),
            layers_to_transform=[number - 1 for number in numbers],
            layers_pattern="layers",
        )
        inject_adapter_in_model(config, backbone.model)


def linear_maps(backbone: Backbone, modules: str | Sequence[str]) -> list[str]:
    """Return the names of the blocks' linear maps that ``modules`` means."""
    inside = transformer_blocks(backbone.model)[0].named_modules()
    maps = {name.rpartition(".")[2] for name, part in inside if isinstance(part, nn.Linear)}
    if isinstance(modules, str) and modules in MODULES:
        known = sorted(maps.intersection(MODULES[modules]))
        if len(maps.intersection(_ATTENTION)) < _PARTS:
            raise ValueError(
                f"modules={modules!r} finds {known or 'none'} of q, k, v and out in the blocks of "
                f"{type(backbone.model).__name__}, whose linear maps are {sorted(maps)}: name "
                "those that get adapters, Lora(modules=[...])"
            )
        return known
    asked = [modules] if isinstance(modules, str) else list(modules)
    for name in asked:
        if name not in maps:
            raise ValueError(unknown_name("modules", name, [*MODULES, *sorted(maps)]))
    return sorted(asked)
