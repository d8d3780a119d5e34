import numpy as np
import pytest

from encodekit.features import Stem
from encodekit_brain_tuning import Exact, Streamed
from encodekit_brain_tuning.backbones import haemodynamic_weights, make_clips
from encodekit_brain_tuning.backbones._windows import FrameGrid

GRID = FrameGrid(1000, Stem(stride=40, field=60))  # 25 frames a second


KINDS = {"streamed": Streamed, "exact": Exact}


def clips_of(onsets, seconds, kind="streamed", t_r=2.0, **windows):
    onsets = np.asarray(onsets, float)
    return make_clips(KINDS[kind](**windows), int(seconds * 1000), GRID, onsets, t_r)


def slow_row(clip, onset, t_r, weights):
    """A TR's frame weights, written out."""
    centres = GRID.centres(clip.start, clip.stop)
    row = np.zeros(len(centres))
    for lag, weight in enumerate(weights):
        inside = [i for i, c in enumerate(centres) if 0 <= c - (onset - lag * t_r) < t_r]
        for i in inside:
            row[i] += weight / len(inside)
    return row


def test_weights_are_the_table_at_two_seconds():
    np.testing.assert_allclose(haemodynamic_weights(2.0), [0.01, 0.09, 0.33, 0.36, 0.21])


@pytest.mark.parametrize("t_r", [0.7, 1.0, 1.5, 2.0, 2.5])
def test_weights_at_any_tr_sum_to_one_and_have_one_centre(t_r):
    weights = haemodynamic_weights(t_r)
    centre = weights @ (t_r * np.arange(len(weights)))
    assert weights.sum() == pytest.approx(1)
    assert centre == pytest.approx(5.34, abs=0.35)


@pytest.mark.parametrize("kind", ["streamed", "exact"])
@pytest.mark.parametrize("first", [0.0, 0.7, 11.0])
@pytest.mark.parametrize("t_r", [1.5, 2.0])
@pytest.mark.parametrize("seconds", [20.0, 61.3, 150.0])
def test_every_tr_is_in_exactly_one_clip(kind, first, t_r, seconds):
    onsets = np.arange(first, seconds - t_r / 2, t_r)
    rows = np.concatenate([clip.rows for clip in clips_of(onsets, seconds, kind, t_r)])
    assert sorted(rows.tolist()) == list(range(len(onsets)))


@pytest.mark.parametrize("t_r", [1.5, 2.0])
def test_pooling_is_the_mean_within_each_tr_delayed_by_the_weights(t_r):
    onsets = np.arange(12.3, 95, t_r)
    for clip in clips_of(onsets, 100.0, t_r=t_r):
        for row, pooled in zip(clip.rows, clip.pooling_weights, strict=True):
            whole = onsets[row] - clip.start / 1000 >= 8
            if whole:
                expected = slow_row(clip, onsets[row], t_r, haemodynamic_weights(t_r))
                np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_what_lies_before_the_audio_has_no_weight():
    clip = clips_of([0.0, 2.0, 20.0], 30.0)[0]
    np.testing.assert_allclose(clip.pooling_weights.sum(axis=1), [0.01, 0.10, 1.0], atol=1e-6)


def test_a_window_never_answers_for_trs_whose_history_it_lacks():
    onsets = np.arange(0, 148, 2.0)
    clips = clips_of(onsets, 150.0)
    assert len(clips) == 7
    for clip in clips:
        oldest = np.maximum(onsets[clip.rows] - 8, 0)
        assert (oldest >= clip.start / 1000 - 1e-9).all()
        assert (onsets[clip.rows] + 2 <= clip.stop / 1000 + 1e-9).all()


def test_exact_clips_are_the_ten_seconds_that_end_with_the_tr():
    clips = clips_of([0.0, 6.0, 30.0], 60.0, "exact")
    assert [(clip.start, clip.stop) for clip in clips] == [(0, 2000), (0, 8000), (22000, 32000)]
    np.testing.assert_allclose(clips[2].pooling_weights, 1 / GRID.n_frames(10000))


@pytest.mark.parametrize("kind", ["streamed", "exact"])
def test_frames_are_pooled_as_asked(kind):
    onsets = np.arange(12.0, 52, 2.0)
    for pooling, weights in (
        ("haemodynamic", [0.01, 0.09, 0.33, 0.36, 0.21]),
        ("mean", [0.2] * 5),
        ("last", None),
    ):
        for clip in clips_of(onsets, 60.0, kind, pooling=pooling):
            centres = GRID.centres(clip.start, clip.stop)
            for row, pooled in zip(clip.rows, clip.pooling_weights, strict=True):
                expected = np.zeros(len(centres))
                if weights is None:
                    expected[np.flatnonzero(centres < onsets[row] + 2)[-1]] = 1
                else:
                    expected = slow_row(clip, onsets[row], 2.0, weights)
                np.testing.assert_allclose(pooled, expected, atol=2e-4)


@pytest.mark.parametrize("t_r", [0.7, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("pooling", ["haemodynamic", "mean", "last"])
def test_however_frames_are_pooled_every_tr_is_in_one_clip(t_r, pooling):
    onsets = np.arange(0, 98, t_r)
    clips = clips_of(onsets, 100.0, t_r=t_r, pooling=pooling)
    assert sorted(np.concatenate([clip.rows for clip in clips])) == list(range(len(onsets)))
