"""How audio is cut for a speech model: the words that features and tuning share."""

from collections.abc import Iterator
from typing import Any, Literal

from encodekit.core import Settings, unknown_name

POOLINGS = ("haemodynamic", "mean", "last")


class Windows(Settings):
    """How audio is cut into what is encoded at once; see the subclasses."""

    def reading(self) -> dict[str, Any]:
        """Return what of the parameters decides features: all, unless a subclass says less."""
        return {"windows": type(self).__name__, **self.get_params()}


class Streamed(Windows):
    """Long windows, each normalised and encoded once; what two of them cover, the earlier gives.

    Parameters
    ----------
    chunk, overlap : float
        s, of a window, and of what it shares with the one before it. Whisper fills every window
        with silence to 30 s, so that a shorter one costs as much; tuning warns of it.
    join : float, optional
        Of tuning alone: s of audio, at most, whose windows are joined before their frames are
        weighed. The 8 s of haemodynamic history are then held once a clip, and windows may
        overlap by less, such as ``Streamed(10, 1, join=118)``. A clip of joined windows counts
        once in ``batch_size``, which is then better small, as memory grows with the windows of a
        batch. If not given each window is a clip, and must overlap by at least 8 s. Features are
        the same with and without.
    pooling : {"haemodynamic", "mean", "last"}
        Of tuning alone: how a TR's row is made of frames: means of the TRs of the last 8 s with
        fixed haemodynamic weights, or with equal ones, or the TR's last frame.
    """

    chunk: float = 30.0
    overlap: float = 8.0
    join: float | None = None
    pooling: Literal["haemodynamic", "mean", "last"] = "haemodynamic"

    def reading(self) -> dict[str, Any]:
        """Return what decides features; the rest is of tuning alone."""
        return {"windows": type(self).__name__, "chunk": self.chunk, "overlap": self.overlap}

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.pooling not in POOLINGS:
            yield unknown_name("pooling", self.pooling, POOLINGS)
        if not 0 <= self.overlap < self.chunk:
            yield (
                f"chunk={self.chunk:g} s and overlap={self.overlap:g} s: the overlap must be 0 or "
                "more and shorter than the chunk"
            )


class Context(Windows):
    """Windows of ``length`` s that end every ``stride`` s, of which the last frame counts.

    No feature sees the future, at 100 times the cost.

    Parameters
    ----------
    length, stride : float
        s.
    """

    length: float = 16.0
    stride: float = 0.1

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if not (self.stride > 0 and self.length > 0):
            yield f"length={self.length:g} s and stride={self.stride:g} s: both must be above 0"


class Exact(Windows):
    """The 10 s that end with each TR, each encoded by itself (Moussa & Toneva 2025); of tuning.

    Near the audio's start they are shorter, and never filled with silence, but by Whisper, which
    fills each to 30 s: they cost three times what they hold.

    Parameters
    ----------
    pooling : {"mean", "haemodynamic", "last"}
        How a TR's row is made of its frames: their mean, means of TRs with fixed haemodynamic
        weights over 8 s, or the last frame.
    """

    pooling: Literal["mean", "haemodynamic", "last"] = "mean"

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.pooling not in POOLINGS:
            yield unknown_name("pooling", self.pooling, POOLINGS)


Windows.choices = {"streamed": Streamed, "exact": Exact, "context": Context}
