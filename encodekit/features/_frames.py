"""Where the frames of a speech model's convolutional stem lie in time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stem:
    """Strides and receptive field of a stack of unpadded convolutions, in samples.

    With kernels k and strides s, frame i sees the samples ``i * stride`` up to
    ``i * stride + field - 1``, ``stride = prod(s)`` and
    ``field = 1 + sum_j (k_j - 1) prod(s_1 .. s_(j-1))``. wav2vec2 and HuBERT: stride 320 (20 ms
    at 16 kHz), field 400 (25 ms).
    """

    stride: int
    field: int

    @classmethod
    def of(cls, config: Any) -> "Stem":
        """Return the stem of a transformers config with ``conv_kernel`` and ``conv_stride``."""
        stride, field = 1, 1
        for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
            field += (kernel - 1) * stride
            stride *= step
        return cls(stride, field)

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames the stem makes of ``n_samples``."""
        return max(0, (n_samples - self.field) // self.stride + 1)

    def first_new(self, start: int, seen: int) -> int:
        """Return the first frame of a window from ``start`` that needs samples from ``seen`` on."""
        return max(0, (seen - start - self.field) // self.stride + 1)


def frame_times(config: Any, n_frames: int, *, rate: int = 16000) -> NDArray[np.float64]:
    """Return the centre of each frame's receptive field, s after the window's first sample.

    ``(i * stride + (field - 1) / 2) / rate``: for wav2vec2 and HuBERT frame 0 lies at 12.47 ms,
    and one follows every 20 ms (see `Stem`).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> wav2vec2 = SimpleNamespace(conv_kernel=[10, 3, 3, 3, 3, 2, 2],
    ...                            conv_stride=[5, 2, 2, 2, 2, 2, 2])
    >>> frame_times(wav2vec2, 3).round(5).tolist()
    [0.01247, 0.03247, 0.05247]
    """
    stem = Stem.of(config)
    return (np.arange(n_frames) * stem.stride + (stem.field - 1) / 2) / rate
