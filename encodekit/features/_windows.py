"""Windows of one length over audio of any length, in samples."""


def stream_windows(
    n_samples: int, rate: int, chunk: float, overlap: float
) -> list[tuple[int, int, int]]:
    """Return (start, stop, keep_from) of windows that cover the audio, in samples.

    All windows are equally long: ``chunk`` seconds, one every ``chunk - overlap``; the last is
    moved to the left to end with the audio, and audio shorter than a chunk is one window. What
    two windows cover, the earlier one gives: every window but the first counts from
    ``keep_from``, where the one before it ends, with at least ``overlap`` seconds of context to
    its left.

    Raises
    ------
    ValueError
        If the overlap is not shorter than the chunk, or there is no sample.

    Examples
    --------
    >>> stream_windows(70, rate=1, chunk=30, overlap=8)
    [(0, 30, 0), (22, 52, 30), (40, 70, 52)]
    """
    length, hop = round(chunk * rate), round((chunk - overlap) * rate)
    if not (hop > 0 and overlap >= 0):
        raise ValueError(
            f"chunk={chunk:g} s and overlap={overlap:g} s: the overlap must be 0 or more and "
            "shorter than the chunk"
        )
    if n_samples < 1:
        raise ValueError("there is no audio to cut into windows: 0 samples")
    if n_samples <= length:
        return [(0, n_samples, 0)]
    windows = [(0, length, 0)]
    while windows[-1][1] < n_samples:
        start, stop, _ = windows[-1]
        start = min(start + hop, n_samples - length)
        windows.append((start, start + length, stop))
    return windows


def context_windows(
    n_samples: int, rate: int, context: float, stride: float, shortest: int
) -> list[tuple[int, int]]:
    """Return (start, stop) of windows of ``context`` seconds that end every ``stride`` seconds.

    Near the beginning they are shorter, from the first that holds ``shortest`` samples.
    """
    if not (stride > 0 and round(context * rate) >= shortest):
        raise ValueError(
            f"context={context:g} s and stride={stride:g} s: the stride must be above 0 and the "
            f"context hold one frame ({shortest} samples at {rate} Hz)"
        )
    length, windows = round(context * rate), []
    for k in range(1, int(n_samples / rate / stride + 1e-9) + 1):
        stop = min(round(k * stride * rate), n_samples)
        if stop >= shortest:
            windows.append((max(0, stop - length), stop))
    return windows
