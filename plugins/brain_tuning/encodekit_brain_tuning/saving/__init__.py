"""A tuned model as one value, as a folder, as a plain model, and on the hub."""

from encodekit_brain_tuning.saving._folder import (
    KIND,
    read_config,
    read_tuned,
    write_folder,
    write_tuned,
)
from encodekit_brain_tuning.saving._hub import push, write_merged
from encodekit_brain_tuning.saving._model_card import CardFacts, CardNotes, model_card
from encodekit_brain_tuning.saving._tuned import Facts, TunedModel, hash_of_tuned, say_value
from encodekit_brain_tuning.saving._tuned_on import TunedOnWarning, warn_if_tuned_on, warn_of

__all__ = [
    "KIND",
    "CardFacts",
    "CardNotes",
    "Facts",
    "TunedModel",
    "TunedOnWarning",
    "hash_of_tuned",
    "model_card",
    "push",
    "read_config",
    "read_tuned",
    "say_value",
    "warn_if_tuned_on",
    "warn_of",
    "write_folder",
    "write_merged",
    "write_tuned",
]
