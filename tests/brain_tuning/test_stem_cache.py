import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from encodekit_brain_tuning import Streamed
from encodekit_brain_tuning.backbones import StemCache, load_backbone, stem_outputs
from encodekit_brain_tuning.targets import align
from encodekit_brain_tuning.training import TuningClips

SPANS = [(0, 16000), (8000, 24000), (0, 6000), (24000, 40000)]


@pytest.fixture
def read(backbone, stories):
    """Frames of the spans of one story, and the folder they lie in."""

    def frames(cache, story=stories[0], spans=SPANS, backbone=backbone):
        audio = story.load_audio(backbone.rate)
        found = cache.frames(backbone, story, audio, spans)
        return [found.clip(i) for i in range(len(spans))]

    return frames


@pytest.fixture
def count(monkeypatch, backbone):
    """Seconds of audio that went through the stem."""
    heard, whole = [], type(backbone).stem_output

    def counted(self, audio):
        heard.append(audio.size / self.rate)
        return whole(self, audio)

    monkeypatch.setattr(type(backbone), "stem_output", counted)
    return heard


def files(folder):
    return sorted(Path(folder).iterdir())


def test_in_float32_the_cached_stem_is_the_uncached_one_exactly(backbone, read, tmp_path, stories):
    expected = dict(stem_outputs(backbone, stories[0].load_audio(2000), SPANS))
    cache = StemCache(tmp_path, dtype="float32")
    for _ in range(2):
        for index, frames in enumerate(read(cache)):
            assert torch.equal(frames, expected[index])
    assert isinstance(
        cache.frames(backbone, stories[0], stories[0].load_audio(2000), SPANS).values, np.memmap
    )


def test_in_float16_it_is_within_a_thousandth(read, tmp_path):
    for half, whole in zip(
        read(StemCache(tmp_path, dtype="float16")), read(StemCache()), strict=True
    ):
        assert half.dtype == torch.float16
        error = torch.linalg.norm(half.float() - whole) / torch.linalg.norm(whole)
        assert 0 < float(error) < 1e-3


def test_the_tuned_layers_differ_by_less_than_a_thousandth_in_float16(backbone, read, tmp_path):
    halves, wholes = read(StemCache(tmp_path, dtype="float16")), read(StemCache())
    with torch.no_grad():
        for half, whole in zip(halves, wholes, strict=True):
            exact, rounded = backbone(whole[None]), backbone(half[None])
            assert float(torch.linalg.norm(exact - rounded) / torch.linalg.norm(exact)) < 1e-3


def test_memory_and_disk_hold_the_same_values(read, tmp_path):
    for dtype in ("float16", "float32"):
        kept, free = read(StemCache(tmp_path, dtype=dtype)), read(StemCache(dtype=dtype))
        assert all(torch.equal(a, b) for a, b in zip(kept, free, strict=True))


def test_the_stem_runs_once_for_epochs_participants_and_backbones_loaded_anew(
    backbone_folder, stories, make_responses, tmp_path, count
):
    lengths = {story.run_name: story.n_trs for story in stories}
    for people in (("P1",), ("P1", "P2")):
        targets = align(make_responses(stories, people), lengths, z_score=True)
        clips = TuningClips(
            stories, targets, load_backbone(backbone_folder), Streamed(chunk=16.0),
            StemCache(tmp_path),
        )  # fmt: skip
        for _ in range(3):
            clips.batch([0, 1])
    assert sum(count) == pytest.approx(4 * 4 * 16)  # 4 stories of 4 windows of 16 s


def test_other_audio_weights_windows_or_dtype_are_other_files(
    read, tmp_path, stories, save_backbone
):
    other = load_backbone(save_backbone(tmp_path / "other", seed=1))
    folder = tmp_path / "stems"
    cache = StemCache(folder)
    read(cache)
    read(cache, story=stories[1])
    read(cache, spans=SPANS[:2])
    read(cache, backbone=other)
    read(StemCache(folder, dtype="float16"))
    assert len(files(folder)) == 5


def test_the_longest_unused_make_room(read, tmp_path, stories):
    cache = StemCache(tmp_path)
    read(cache, story=stories[0])
    (first,) = files(tmp_path)
    size = first.stat().st_size
    bounded = StemCache(tmp_path, limit=2.5 * size / 1e9)
    read(bounded, story=stories[1])
    second = next(path for path in files(tmp_path) if path != first)
    for age, path in ((100, second), (200, first)):
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    read(bounded, story=stories[0])  # used again: now the second is the oldest
    read(bounded, story=stories[2])
    assert first in files(tmp_path)
    assert second not in files(tmp_path)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 2.5 * size


def test_a_run_larger_than_the_limit_stays_in_memory(read, tmp_path):
    with pytest.warns(UserWarning, match=r"the limit is 1e-06 GB\); free some disk, raise"):
        frames = read(StemCache(tmp_path, limit=1e-6))
    assert files(tmp_path) == []
    assert all(torch.equal(a, b) for a, b in zip(frames, read(StemCache()), strict=True))


def test_a_full_disk_leaves_no_file_and_loses_no_frame(read, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.warns(UserWarning, match="No space left on device.*choose another folder"):
        frames = read(StemCache(tmp_path))
    assert files(tmp_path) == []
    assert all(torch.equal(a, b) for a, b in zip(frames, read(StemCache()), strict=True))


@pytest.mark.parametrize("damage", ["short", "empty", "other"])
def test_a_damaged_file_is_computed_anew(read, tmp_path, damage):
    expected = read(StemCache(tmp_path))
    (path,) = files(tmp_path)
    content = path.read_bytes()
    if damage == "other":
        np.save(path, np.zeros((3, 3), np.float32))
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "short" else b"")
    again = read(StemCache(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))
    assert path.read_bytes() == content


def test_two_programs_may_write_the_same_file(read, tmp_path, monkeypatch):
    cache, whole = StemCache(tmp_path), StemCache._make_room
    between = []

    def meanwhile(self, n_bytes):
        monkeypatch.undo()
        between.append(read(StemCache(tmp_path)))  # the other one is faster
        whole(self, n_bytes)

    monkeypatch.setattr(StemCache, "_make_room", meanwhile)
    mine = read(cache)
    assert len(files(tmp_path)) == 1
    assert all(torch.equal(a, b) for a, b in zip(mine, between[0], strict=True))


def test_a_file_that_is_taken_away_stays_readable(backbone, stories, tmp_path):
    audio = stories[0].load_audio(2000)
    frames = StemCache(tmp_path).frames(backbone, stories[0], audio, SPANS)
    expected = frames.clip(1).clone()
    files(tmp_path)[0].unlink()
    assert torch.equal(frames.clip(1), expected)


def test_what_float16_cannot_hold_is_refused(read, backbone, monkeypatch):
    monkeypatch.setattr(
        type(backbone), "stem_output", lambda self, audio: torch.full((len(audio), 16, 99), 1e6)
    )
    with pytest.raises(
        ValueError, match="1e\\+06, too large for float16: pass stem_dtype='float32'"
    ):
        read(StemCache(dtype="float16"))


@pytest.mark.parametrize("values", [[np.nan], [np.inf], [np.nan, 1e6]])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_frames_that_are_not_finite_are_refused_and_not_kept(
    read, backbone, monkeypatch, tmp_path, values, dtype
):
    def broken(self, audio):
        frames = torch.zeros(len(audio), 16, self.grid.n_frames(audio.shape[1]))
        frames[0, 0, : len(values)] = torch.tensor(values)
        return frames

    monkeypatch.setattr(type(backbone), "stem_output", broken)
    with pytest.raises(ValueError, match=r"output has values that are not finite, in the clip of"):
        read(StemCache(tmp_path, dtype=dtype))
    assert files(tmp_path) == []


@pytest.mark.parametrize("what", ["attention", "threads", "torch", "device"])
def test_what_other_programs_or_machines_computed_is_not_taken(
    read, backbone, tmp_path, monkeypatch, what, count
):
    cache = StemCache(tmp_path)
    read(cache)
    if what == "attention":
        backbone.model.config._attn_implementation = "eager"
    elif what == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    else:
        module = "encodekit_brain_tuning.backbones._configuration"
        changed = {
            "torch": ("version", lambda package: "99.0"),
            "device": ("machine_of", lambda device: {"device": "another"}),
        }
        monkeypatch.setattr(f"{module}.{changed[what][0]}", changed[what][1])
    count.clear()
    read(cache)
    assert sum(count) > 0
    assert len(files(tmp_path)) == 2
    count.clear()
    read(cache)
    assert count == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_gpu_computed_is_not_taken_on_a_cpu(read, backbone, tmp_path):
    cache = StemCache(tmp_path)
    read(cache, backbone=backbone.to("cuda"))
    expected = read(StemCache(), backbone=backbone.to("cpu"))
    again = read(cache, backbone=backbone.to("cpu"))
    assert len(files(tmp_path)) == 2
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))


def test_tuning_finds_its_stem_in_the_folder_it_is_given(
    tuned, stories, responses, tmp_path, count
):
    settings = {
        "runtime__stem_cache": tmp_path, "runtime__stem_dtype": "float16", "training__epochs": 1
    }  # fmt: skip
    first = tuned(**settings).fit(stories[:2], responses[:2])
    assert len(files(tmp_path)) == 2
    count.clear()
    again = tuned(**settings).fit(stories[:2], responses[:2])
    assert count == []
    assert again.weights_hash() == first.weights_hash()
    in_memory = tuned(**settings | {"runtime__stem_cache": None}).fit(stories[:2], responses[:2])
    assert in_memory.weights_hash() == first.weights_hash()
