from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encodekit.features import Stem, frame_times

WAV2VEC2 = SimpleNamespace(conv_kernel=[10, 3, 3, 3, 3, 2, 2], conv_stride=[5, 2, 2, 2, 2, 2, 2])


def test_wav2vec2_has_frames_of_25_ms_every_20_ms():
    assert Stem.of(WAV2VEC2) == Stem(stride=320, field=400)
    assert Stem.of(WAV2VEC2).n_frames(160000) == 499
    np.testing.assert_allclose(
        frame_times(WAV2VEC2, 3), [199.5 / 16000, 519.5 / 16000, 839.5 / 16000]
    )


def test_a_padded_stem_has_frames_at_multiples_of_its_stride():
    whisper = SimpleNamespace(
        conv_kernel=[399, 3, 3], conv_stride=[160, 1, 2], conv_padding=[199, 1, 1], conv_fill=480000
    )
    stem = Stem.of(whisper)
    assert (stem.stride, stem.shortest) == (320, 1)
    assert [stem.n_frames(n) for n in (0, 1, 320, 321, 480000)] == [0, 1, 1, 2, 1500]
    assert stem.n_outputs(16000) == 1500
    np.testing.assert_allclose(frame_times(whisper, 3), [0, 0.02, 0.04])


@settings(max_examples=25, deadline=None)
@given(
    layers=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4),
    n_samples=st.integers(200, 400),
)
def test_frames_are_where_real_convolutions_look(layers, n_samples):
    config = SimpleNamespace(conv_kernel=[k for k, _ in layers], conv_stride=[s for _, s in layers])
    convs = [torch.nn.Conv1d(1, 1, k, s, bias=False) for k, s in layers]
    for conv in convs:
        torch.nn.init.ones_(conv.weight)
    samples = torch.zeros(1, 1, n_samples, requires_grad=True)
    out = torch.nn.Sequential(*convs)(samples)[0, 0]
    stem = Stem.of(config)
    assert stem.n_frames(n_samples) == len(out)
    (gradient,) = torch.autograd.grad(out[-1], samples)
    seen = np.flatnonzero(gradient.numpy().ravel())
    last = (len(out) - 1) * stem.stride
    assert (seen.min(), seen.max()) == (last, last + stem.field - 1) or stem.stride > stem.field
    assert frame_times(config, len(out), rate=1)[-1] == pytest.approx(
        (2 * last + stem.field - 1) / 2
    )


def test_the_first_new_frame_is_the_first_that_the_window_before_could_not_give():
    stem = Stem(stride=320, field=400)
    for start in (0, 352000, 351913):
        new = stem.n_frames(480000 - start)
        assert start + new * 320 + 400 > 480000
        assert start + (new - 1) * 320 + 400 <= 480000
    assert stem.n_frames(-100) == 0


def test_audio_without_a_frame_has_none():
    assert Stem.of(WAV2VEC2).n_frames(399) == 0
