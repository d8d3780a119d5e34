"""What of a backbone learns, one way a file; ``_base`` says what an update is."""

from encodekit_brain_tuning.updates._all_weights import AllWeights
from encodekit_brain_tuning.updates._base import Update
from encodekit_brain_tuning.updates._head_only import HeadOnly
from encodekit_brain_tuning.updates._lora import Lora
from encodekit_brain_tuning.updates._top_blocks import TopBlocks

__all__ = ["AllWeights", "HeadOnly", "Lora", "TopBlocks", "Update"]
