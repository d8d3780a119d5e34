"""Where the frames of a speech model's convolutional stem lie in time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stem:
    """Strides and receptive field of a stack of convolutions, in samples.

    With kernels k and strides s, frame i sees the samples ``i * stride - pad`` up to
    ``i * stride - pad + field - 1``, ``stride = prod(s)``,
    ``field = 1 + sum_j (k_j - 1) prod(s_1 .. s_(j-1))``. wav2vec2 and HuBERT: stride 320 (20 ms
    at 16 kHz), field 400 (25 ms), unpadded. Whisper pads on both sides, so that frame i is
    centred on sample 320 i, and fills every clip with silence up to ``fill`` samples (30 s).
    """

    stride: int
    field: int
    pad: int = 0
    fill: int = 0

    @classmethod
    def of(cls, config: Any) -> "Stem":
        """Return the stem of a config with ``conv_kernel`` and ``conv_stride``.

        ``conv_padding`` and ``conv_fill`` are read where a config has them. The blocks of SEW see
        means of ``squeeze_factor`` frames, which are one more convolution.
        """
        stride, field, pad = 1, 1, 0
        pads = list(getattr(config, "conv_padding", [0] * len(config.conv_kernel)))
        kernels, strides = list(config.conv_kernel), list(config.conv_stride)
        squeezed = getattr(config, "squeeze_factor", 1)
        if squeezed > 1:
            kernels, strides, pads = [*kernels, squeezed], [*strides, squeezed], [*pads, 0]
        for kernel, step, one in zip(kernels, strides, pads, strict=True):
            field += (kernel - 1) * stride
            pad += one * stride
            stride *= step
        return cls(stride, field, pad, getattr(config, "conv_fill", 0))

    @property
    def shortest(self) -> int:
        """Samples that one frame needs."""
        return self.field - 2 * self.pad

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames lie in ``n_samples``, the silence added to them left out.

        A window that continues at ``start`` one that ended at ``seen`` has its first new frame at
        ``n_frames(seen - start)``.
        """
        return max(0, (n_samples + 2 * self.pad - self.field) // self.stride + 1)

    def n_outputs(self, n_samples: int) -> int:
        """Return how many frames the stem makes of ``n_samples``, those of silence included."""
        return self.n_frames(max(n_samples, self.fill))

    def centres(self, n_frames: int) -> NDArray[np.floating[Any]]:
        """Return the centre of each frame, in samples after the window's first."""
        first = (self.field - 1) / 2 - self.pad
        return np.arange(n_frames) * self.stride + first


def frame_times(config: Any, n_frames: int, *, rate: int = 16000) -> NDArray[np.float64]:
    """Return the centre of each frame's receptive field, s after the window's first sample.

    ``(i * stride + (field - 1) / 2 - pad) / rate``: for wav2vec2 and HuBERT frame 0 lies at
    12.47 ms, and one follows every 20 ms (see `Stem`).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> wav2vec2 = SimpleNamespace(conv_kernel=[10, 3, 3, 3, 3, 2, 2],
    ...                            conv_stride=[5, 2, 2, 2, 2, 2, 2])
    >>> frame_times(wav2vec2, 3).round(5).tolist()
    [0.01247, 0.03247, 0.05247]
    """
    return (Stem.of(config).centres(n_frames) / rate).astype(np.float64)
