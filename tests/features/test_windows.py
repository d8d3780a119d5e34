from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encodekit.features import stream_windows
from encodekit.features._windows import context_windows


@settings(max_examples=200, deadline=None)
@given(n_samples=st.integers(1, 3000), chunk=st.integers(1, 400), overlap=st.integers(0, 399))
def test_windows_are_equally_long_and_each_sample_is_kept_once(n_samples, chunk, overlap):
    if overlap >= chunk:
        return
    windows = stream_windows(n_samples, 1, chunk, overlap)
    assert {stop - start for start, stop, _ in windows} == {min(chunk, n_samples)}
    assert windows[0][0] == windows[0][2] == 0
    assert windows[-1][1] == n_samples
    for (_, before, _), (start, _, keep_from) in pairwise(windows):
        assert keep_from == before
        assert keep_from - start >= overlap


def test_audio_shorter_than_a_chunk_is_one_window():
    assert stream_windows(100, 10, 30.0, 8.0) == [(0, 100, 0)]
    assert stream_windows(300, 10, 30.0, 8.0) == [(0, 300, 0)]


def test_the_last_window_is_moved_left_to_end_with_the_audio():
    assert stream_windows(70, 1, 30, 8)[-1] == (40, 70, 52)


@pytest.mark.parametrize(("chunk", "overlap"), [(8, 8), (8, 9), (8, -1)])
def test_an_overlap_that_leaves_no_hop_is_refused(chunk, overlap):
    with pytest.raises(ValueError, match="0 or more and shorter than the chunk"):
        stream_windows(100, 1, chunk, overlap)


def test_no_audio_is_refused():
    with pytest.raises(ValueError, match="0 samples"):
        stream_windows(0, 16000, 30, 8)


def test_context_windows_grow_and_then_slide():
    windows = context_windows(1000, 100, context=3.0, stride=0.5, shortest=60)
    assert windows[:3] == [(0, 100), (0, 150), (0, 200)]
    assert windows[-1] == (700, 1000)
    assert {stop - start for start, stop in windows[4:]} == {300}


@pytest.mark.parametrize(("context", "stride"), [(0.001, 0.1), (16.0, 0.0)])
def test_a_context_without_a_frame_is_refused(context, stride):
    with pytest.raises(ValueError, match="the stride must be above 0 and the context hold"):
        context_windows(16000, 16000, context, stride, 400)
