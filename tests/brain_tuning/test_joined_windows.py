"""Windows whose frames are joined before the haemodynamic history is weighed."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from encodekit.features import Stem, stream_windows
from encodekit_brain_tuning import BrainTunedFeatures, Exact, Streamed
from encodekit_brain_tuning.backbones import (
    haemodynamic_weights,
    load_backbone,
    make_clips,
    streamed_blocks,
)
from encodekit_brain_tuning.backbones._windows import FrameGrid
from encodekit_brain_tuning.heads import SharedHeadModule
from encodekit_brain_tuning.targets import align
from encodekit_brain_tuning.training import EqualLengthBatches, TuningClips, TuningModel

GRID = FrameGrid(1000, Stem(stride=40, field=60))  # 25 frames a second
CUT = Streamed(chunk=12.0, overlap=2.0, join=22.0)


def clips_of(seconds, t_r=2.0, first=0.0, **windows):
    onsets = np.arange(first, seconds - t_r / 2, t_r)
    cut = Streamed(**({"chunk": 16.0, "overlap": 2.0, "join": 58.0} | windows))
    return onsets, make_clips(cut, int(seconds * 1000), GRID, onsets, t_r)


def delayed_means(seconds, values, onsets, t_r):
    """The mean within each TR, delayed by the haemodynamic weights, written out."""
    rows = np.zeros((len(onsets), values.shape[1]))
    for number, onset in enumerate(onsets):
        for lag, weight in enumerate(haemodynamic_weights(t_r)):
            begin = onset - lag * t_r
            inside = (seconds >= begin) & (seconds < begin + t_r)
            if inside.any():
                rows[number] += weight * values[inside].mean(axis=0)
    return rows


@pytest.fixture(params=["wav2vec2", "whisper"])
def tuning(request, save_backbone, save_whisper, tmp_path, stories, responses):
    """A model in float64, clips of two stories, and whatever makes more clips."""
    {"wav2vec2": save_backbone, "whisper": save_whisper}[request.param](tmp_path / "model")
    backbone = load_backbone(str(tmp_path / "model"), dropout=0.0)
    lengths = {story.run_name: story.n_trs for story in stories}
    shared = align(responses[:2], lengths, z_score=True)
    clips = TuningClips(stories[:2], shared, backbone, CUT)
    torch.manual_seed(0)
    return TuningModel(backbone, SharedHeadModule(backbone.n_features, 6)), clips


@pytest.mark.parametrize("first", [0.0, 0.7, 11.0])
@pytest.mark.parametrize("t_r", [0.7, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("seconds", [9.0, 20.0, 61.3, 150.0, 301.0])
@pytest.mark.parametrize("join", [30.0, 58.0, 114.0])
def test_every_tr_is_in_exactly_one_clip_of_joined_windows(join, seconds, t_r, first):
    onsets, clips = clips_of(seconds, t_r, first, join=join)
    rows = [row for clip in clips for row in clip.rows]
    assert sorted(rows) == list(range(len(onsets)))


@pytest.mark.parametrize("pooling", ["haemodynamic", "mean", "last"])
@pytest.mark.parametrize("sizes", [(16.0, 2.0, 58.0), (5.0, 1.0, 30.0), (7.3, 0.0, 40.0)])
def test_a_tr_has_the_whole_weight_of_its_history(sizes, pooling):
    chunk, overlap, join = sizes
    onsets, clips = clips_of(203.7, chunk=chunk, overlap=overlap, join=join, pooling=pooling)
    for clip in clips:
        late = onsets[clip.rows] >= 8
        np.testing.assert_allclose(clip.pooling_weights[late].sum(axis=1), 1, atol=1e-6)


def test_a_hop_that_rounds_to_less_than_a_part_of_the_history_loses_no_tr():
    grid = FrameGrid(16000, Stem(stride=320, field=400))
    onsets = np.array([10 + 7 * 21333 / 16000 - 1 + 1 / 16000])
    cut = Streamed(chunk=10.0, overlap=10 - 4 / 3, join=19.334)
    clips = make_clips(cut, 60 * 16000, grid, onsets, 2.0)
    assert [row for clip in clips for row in clip.rows] == [0]


def test_a_moment_is_taken_from_the_window_that_transform_takes_it_from():
    _, clips = clips_of(203.7)
    new_from = {start: kept for start, _, kept in stream_windows(203_700, 1000, 16.0, 2.0)}
    for clip in clips:
        by_window = clip.pooling_weights.reshape(len(clip.rows), len(clip.windows), -1)
        for number, (start, stop) in enumerate(clip.windows):
            assert GRID.n_frames(stop - start) == by_window.shape[2]
            used = by_window[:, number].any(axis=0)
            new = GRID.n_frames(new_from[start] - start)
            assert not used[:new].any()
            assert used[new:].any()


@pytest.mark.parametrize("seconds", [211.0, 214.0, 1000.0])
def test_clips_share_one_window_and_the_last_is_shorter(seconds):
    _, clips = clips_of(seconds, join=114.0)
    *whole, last = [len(clip.windows) for clip in clips]
    assert set(whole) == {8}
    assert 2 <= last <= 8
    assert {stop - start for clip in clips for start, stop in clip.windows} == {16_000}
    for one, other in pairwise(clips):
        assert one.windows[-1] == other.windows[0]
    assert clips[-1].stop == seconds * 1000


def test_a_run_shorter_than_a_chunk_is_one_window_as_without_join():
    (joined,), (alone,) = clips_of(14.0)[1], clips_of(14.0, overlap=8.0, join=None)[1]
    assert joined.windows == alone.windows
    np.testing.assert_array_equal(joined.pooling_weights, alone.pooling_weights)
    np.testing.assert_array_equal(joined.rows, alone.rows)


def test_rows_are_those_of_the_frames_that_transform_joins(tuning, stories):
    model, clips = tuning
    backbone = model.backbone
    layers = [backbone.pooled_layer]
    found = {name: np.full((20, backbone.n_features), np.nan) for name in ("story-0", "story-1")}
    for indices in EqualLengthBatches(clips.n_frames, 4):
        batch = clips.batch(indices)
        with torch.no_grad():
            rows, _ = model.pool(batch["frames"], batch["pooling_weights"])
        for place, index in enumerate(indices):
            clip = clips.clips[index]
            found[clips.runs[index]][clip.rows] = rows[place, : clip.rows.size].numpy()
    for story in stories[:2]:
        audio = story.load_audio(backbone.rate)
        blocks = streamed_blocks(backbone, audio, layers, CUT.chunk, CUT.overlap)
        seconds, values = map(np.concatenate, zip(*blocks, strict=True))
        expected = delayed_means(seconds, values, story.grid + story.offset - 1.0, 2.0)
        ends = [clip.rows[-1] for clip in clips.clips[:2]]  # a frame across the end is lacking
        rows = np.setdiff1d(np.arange(20), ends)
        np.testing.assert_allclose(found[story.run_name][rows], expected[rows], atol=2e-5)
        np.testing.assert_allclose(found[story.run_name][ends], expected[ends], atol=2e-3)


def test_the_gradient_is_that_of_windows_encoded_one_after_the_other(tuning):
    model, clips = tuning
    model = model.double()
    indices = next(iter(EqualLengthBatches(clips.n_frames, 2)))
    batch = {name: part.double() for name, part in clips.batch(indices).items()}
    together, _ = model.pool(batch["frames"], batch["pooling_weights"])
    weights = torch.randn(together.shape, dtype=torch.float64)
    (together * weights).sum().backward()
    learnt = [p for p in model.backbone.parameters() if p.requires_grad]
    gradients = [p.grad.clone() for p in learnt if p.grad is not None]
    model.zero_grad()
    n_windows = len(clips.clips[indices[0]].windows)
    assert n_windows == 2
    assert len(batch["frames"]) == n_windows * len(indices)
    size = batch["pooling_weights"].shape[-1] // n_windows
    for number, frames in enumerate(batch["frames"]):
        clip, window = divmod(number, n_windows)
        pooling = batch["pooling_weights"][clip, :, window * size : (window + 1) * size]
        ((pooling @ model.backbone(frames[None])[0]) * weights[clip]).sum().backward()
    again = [p.grad for p in learnt if p.grad is not None]
    assert len(again) == len(gradients) > 0
    for one, other in zip(gradients, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_clips_of_one_batch_have_as_many_windows(backbone, make_story, make_responses):
    stories = [make_story(f"s{n}", seconds=n, seed=n) for n in (10, 12, 22, 40)]
    shared = align(make_responses(stories), {s.run_name: s.n_trs for s in stories}, z_score=True)
    clips = TuningClips(stories, shared, backbone, CUT)
    assert {len(clip.windows) for clip in clips.clips} == {1, 2}
    for indices in EqualLengthBatches(clips.n_frames, 8):
        assert len({(len(clips.clips[i].windows), clips.frames(i).shape) for i in indices}) == 1
        assert len(clips.batch(indices)["pooling_weights"]) == len(indices)


def test_the_stem_is_kept_once_for_windows_that_clips_share(tuning, stories):
    _, clips = tuning
    n_clips = sum(run == "story-0" for run in clips.runs)
    stem, _ = clips._stems[0]
    assert n_clips == 3
    assert len(stem.ends) == 4


def joined(**changes):
    return Streamed(**({"chunk": 12.0, "overlap": 2.0, "join": 22.0} | changes))


def test_a_model_tuned_on_joined_windows_is_saved_with_them(tuned, stories, responses, tmp_path):
    held = (stories[3:], responses[3:])
    budget = {"training__batch_size": 2, "training__budget": ("seconds", 150)}
    on_joined = tuned(windows=joined(), **budget).fit(stories[:3], responses[:3], validation=held)
    on_joined.save(tmp_path / "model")
    card = (tmp_path / "model/README.md").read_text()
    assert "Streamed(chunk=12.0, overlap=2.0, join=22.0, pooling='haemodynamic')" in card
    assert on_joined.history_["step"].iloc[-1] == 4  # of 2 x 2 windows of 12 s
    loaded = BrainTunedFeatures.load(tmp_path / "model")
    assert loaded.windows == joined()
    assert loaded.windows.join == 22.0
    np.testing.assert_array_equal(
        loaded.transform(stories[3:]).values, on_joined.transform(stories[3:]).values
    )
    adapted = loaded.adapt(stories[3:], responses[3:])
    assert adapted.predict(stories[3:]).notnull().all()


def test_a_checkpoint_of_other_joins_is_refused(tuned, stories, responses, tmp_path):
    def fit(join):
        features = tuned(
            windows=joined(join=join), training__epochs=1, runtime__checkpoint=tmp_path / "c"
        )
        return features.fit(stories[:2], responses[:2])

    first, again = fit(22.0), fit(22.0)
    assert again.weights_hash_ == first.weights_hash_
    with pytest.raises(ValueError, match=r"settings.windows.join was 22.0 and is 32.0"):
        fit(32.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"join": 20.0}, r"join=20 s is too short .*12 s .* 2 s: pass at least 22, or None"),
        ({"chunk": 4.0, "overlap": 0.0, "join": 8.0}, "pass at least 12"),
        ({"chunk": 10 / 3, "overlap": 0.0, "join": 13.333}, "pass at least 13.34"),
        ({"join": float("inf")}, "join=inf: expected a number of seconds"),
        ({"join": None}, "pass at least 8, or join="),
    ],
)
def test_a_join_that_cannot_be_is_answered(tuned, stories, responses, changes, message):
    features = tuned(windows=joined(**changes))
    with pytest.raises(ValueError, match=message):
        features.fit(stories[:1], responses[:1])


def test_windows_that_overlap_by_all_of_themselves_are_never_made():
    with pytest.raises(ValueError, match="shorter than the chunk"):
        joined(overlap=12.0)


def test_only_streamed_windows_can_be_joined(tuned):
    with pytest.raises(TypeError, match="Exact: unknown parameter 'join'"):
        Exact(join=22.0)
    with pytest.raises(ValueError, match="parameter 'windows': Exact: unknown parameter 'join'"):
        tuned(windows="exact").set_params(windows__join=22.0)
