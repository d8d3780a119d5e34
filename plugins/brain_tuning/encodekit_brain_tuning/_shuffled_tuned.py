"""Tuning on fMRI that belongs to other stories, as a feature extractor."""

from functools import partial
from typing import Any, ClassVar, Self

from encodekit_brain_tuning._extractor import BrainTunedFeatures
from encodekit_brain_tuning.baselines import shuffle_blocks
from encodekit_brain_tuning.targets import validation_parts

_BLOCK = 10  # TRs


class ShuffledTunedFeatures(BrainTunedFeatures):
    """`BrainTunedFeatures` tuned on fMRI that belongs to other stories: a control.

    ``fit`` first gives each story the fMRI of others by `shuffle_blocks`, in blocks of 10 TRs, the
    validation stories too, both with ``random_state``.
    """

    in_methods: ClassVar[dict[str, str]] = {
        "said_as": "BrainTunedFeatures",
        "note": f", a control: shuffled between stories in blocks of {_BLOCK} TRs",
    }
    _learnt_from = "fMRI that belongs to other stories, as a control,"

    def fit(self, X: Any, y: Any = None, *, validation: Any = None, weights: Any = None) -> Self:
        """Tune on shuffled responses; see `BrainTunedFeatures.fit`."""
        shuffle = partial(shuffle_blocks, block=_BLOCK, random_state=self.random_state)
        if validation is not None:
            stimuli, responses = validation_parts(validation)
            validation = (stimuli, shuffle(responses))
        return super().fit(X, shuffle(y), validation=validation, weights=weights)
