"""What becomes of several participants' fMRI, one way a file; ``_base`` says what a strategy is."""

from encodekit_brain_tuning.strategies._base import Combination, Strategy, TargetMaker
from encodekit_brain_tuning.strategies._joint import Joint
from encodekit_brain_tuning.strategies._response_mean import ResponseMean
from encodekit_brain_tuning.strategies._sequential import Sequential
from encodekit_brain_tuning.strategies._shared_response import SharedResponse
from encodekit_brain_tuning.strategies._shared_response_model import SharedResponseModel

__all__ = [
    "Combination",
    "Joint",
    "ResponseMean",
    "Sequential",
    "SharedResponse",
    "SharedResponseModel",
    "Strategy",
    "TargetMaker",
]
