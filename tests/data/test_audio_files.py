"""Sound files as labs have them: from pipes, without a length, cut short, in units of integers."""

import io
import struct

import numpy as np
import pytest
import soundfile

from encodekit.data import Stimulus

RATE = 16000
SECONDS = 3.2


@pytest.fixture(scope="module")
def sound():
    """Noise that fades, and a pause, which a variable bit rate writes in few bytes."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(int(SECONDS * RATE))
    samples[-RATE:] *= 1e-4
    return samples


def written(samples, rate=RATE, **how):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **how)
    return buffer.getvalue()


@pytest.fixture
def heard(tmp_path):
    """Return a stimulus of a file with these bytes."""

    def make(content, name="a.wav", **given):
        path = tmp_path / name
        path.write_bytes(content)
        return Stimulus("a", path, t_r=1.0, **given)

    return make


def decoded(content):
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return samples.mean(axis=1)


# Another way to count frames: layer III alone, each header read anew, without looking ahead.
KBITS = {1: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
         2: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]}  # fmt: skip


def frames_of(content, rate):
    """Return the places of the frames of an mp3 that begins with one."""
    places, at, kind = [], 0, 1 if rate >= 32000 else 2
    while at + 4 <= len(content):
        word = int.from_bytes(content[at : at + 4], "big")
        assert word >> 21 == 0x7FF
        places.append(at)
        bits = KBITS[kind][(word >> 12) & 15] * 1000
        at += bits * (144 if kind == 1 else 72) // rate + ((word >> 9) & 1)
    return places


def mp3(rate=RATE, channels=1, mode="VARIABLE", seconds=SECONDS):
    samples = 0.1 * np.random.default_rng(1).standard_normal((int(seconds * rate), channels))
    samples[len(samples) // 2 :] *= 1e-4
    return written(
        samples, rate, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode,
        compression_level=0.5,
    )  # fmt: skip


def without_tag(content, rate=RATE):
    return content[frames_of(content, rate)[1] :]


ID3 = b"ID3\x03\x00\x00" + bytes([0, 0, 2, 44]) + b"TIT2" + bytes(296)  # 300 = 2 * 128 + 44
# the decoder's own delay is left out; the encoder's is in the sound where no tag tells it
DECODER, ENCODER = 529, 576


class TestMp3:
    @pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
    @pytest.mark.parametrize(
        ("rate", "channels"),
        [(8000, 1), (11025, 1), (16000, 2), (22050, 1), (24000, 1), (32000, 2), (44100, 2),
         (48000, 1)],
    )  # fmt: skip
    def test_one_without_a_length_is_decoded_to_its_end(self, heard, rate, channels, mode):
        whole = mp3(rate, channels, mode)
        cut = without_tag(whole, rate)
        n_samples = len(frames_of(cut, rate)) * (1152 if rate >= 32000 else 576) - DECODER
        story = heard(cut, "a.mp3")
        samples = story.load_audio()
        assert samples.size == n_samples == round(story.audio_duration * rate)
        assert story.n_trs == np.floor(n_samples / rate + 0.5)
        expected = decoded(whole)
        shifted = samples[ENCODER : ENCODER + expected.size]
        np.testing.assert_allclose(shifted[:-2000], expected[:-2000], atol=1e-4)

    @pytest.mark.parametrize("front", [b"", ID3, ID3 + ID3], ids=["plain", "ID3", "two ID3"])
    @pytest.mark.parametrize("behind", [b"", b"TAG" + bytes(125)], ids=["plain", "ID3v1"])
    def test_tags_of_a_player_are_no_sound(self, heard, front, behind):
        cut = without_tag(mp3())
        samples = heard(front + cut + behind, "a.mp3").load_audio()
        np.testing.assert_array_equal(samples, heard(cut, "b.mp3").load_audio())

    @pytest.mark.parametrize("front", [b"", ID3], ids=["plain", "ID3"])
    def test_one_with_a_length_stays_as_it_is(self, heard, front):
        whole = mp3()
        samples = heard(front + whole, "a.mp3").load_audio()
        np.testing.assert_allclose(samples, decoded(whole), atol=1e-6)
        assert samples.size == int(SECONDS * RATE)

    def test_two_in_one_file_are_read_to_the_end_of_the_second(self, heard):
        n_frames = len(frames_of(mp3(), RATE))
        both = heard(mp3() + mp3(), "a.mp3")
        assert both.load_audio().size == (2 * n_frames - 1) * 576 - DECODER

    @pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
    def test_one_that_was_cut_short_is_refused(self, heard, part):
        whole = mp3()
        at = int(len(whole) * part)
        with pytest.raises(ValueError, match=r"a.mp3' is truncated: its header states \d+ frames"):
            heard(whole[:at], "a.mp3")
        ends = frames_of(without_tag(whole), RATE)
        at = ends[int(len(ends) * part)] + 20
        with pytest.raises(ValueError, match=r"ends within a frame of MPEG, after \d+ whole ones"):
            heard(without_tag(whole)[:at], "a.mp3")


def with_sizes(content, riff, data):
    """Return a WAV with these sizes in its header; None keeps one."""
    changed, at = bytearray(content), content.find(b"data")
    for place, size in ((4, riff), (at + 4, data)):
        if size is not None:
            changed[place : place + 4] = struct.pack("<I", size)
    return bytes(changed)


OPEN = {
    "sox": (0x7FFFF024, 0x7FFFF000),
    "ffmpeg": (0xFFFFFFFF, 0xFFFFFFFF),
    "zeros": (0, 0),
    "Python's wave": (36, 0),
    "arecord": (0x80000024, 0x80000000),
    "largest signed": (0x7FFFFFFF, 0x7FFFFFFF - 36),
    "data alone is open": (None, 0xFFFFFFFF),
    "data alone is 0": (None, 0),
    "RIFF alone is open": (0xFFFFFFFF, None),
    "RIFF alone is 0": (0, None),
}


class TestOpenLengths:
    @pytest.mark.parametrize("sizes", OPEN.values(), ids=OPEN)
    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
    def test_a_wav_from_a_pipe_is_read_to_its_end(self, heard, sound, sizes, subtype):
        stereo = np.stack([sound, -sound / 2], axis=1)
        content = written(stereo, format="WAV", subtype=subtype)
        story = heard(with_sizes(content, *sizes))
        np.testing.assert_array_equal(story.load_audio(), decoded(content))
        assert story.audio_duration == SECONDS

    @pytest.mark.parametrize("sizes", OPEN.values(), ids=OPEN)
    def test_chunks_before_the_sound_do_not_matter(self, heard, sound, sizes):
        content = written(sound, format="WAV", subtype="PCM_16")
        at = content.find(b"data")
        told = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"x" * 14
        longer = with_sizes(content[:at] + told + content[at:], len(content) + 26, None)
        story = heard(with_sizes(longer, *sizes))
        np.testing.assert_array_equal(story.load_audio(), decoded(content))

    def test_a_wav_without_sound_stays_empty(self, heard):
        more = b"LIST" + struct.pack("<I", 4) + b"INFO"
        content = written(np.zeros(0), format="WAV", subtype="PCM_16") + more
        with pytest.raises(ValueError, match="has no samples"):
            heard(with_sizes(content, len(content) - 8, None))

    @pytest.mark.parametrize("size", [0, (1 << 64) - 1, (1 << 63) - 1])
    def test_rf64_and_w64_are_read_to_their_end(self, heard, sound, size):
        stated = struct.pack("<Q", size)
        for kind in ("RF64", "W64"):
            content = bytearray(written(sound, format=kind, subtype="PCM_16"))
            for place in (20, 28, 36) if kind == "RF64" else (16, content.find(b"data") + 16):
                content[place : place + 8] = stated
            story = heard(bytes(content), f"{kind}.wav")
            assert story.load_audio().size == sound.size
            np.testing.assert_allclose(story.load_audio(), sound, atol=1e-4)

    @pytest.mark.parametrize("size", [0, 0x7F000008, 0xFFFFFFFF])
    def test_aiff_is_read_to_its_end(self, heard, sound, size):
        content = bytearray(written(sound, format="AIFF", subtype="PCM_16"))
        for place in (4, content.find(b"SSND") + 4):
            content[place : place + 4] = struct.pack(">I", size)
        np.testing.assert_allclose(heard(bytes(content), "a.aiff").load_audio(), sound, atol=1e-4)

    def test_au_is_read_to_its_end(self, heard, sound):
        content = bytearray(written(sound, format="AU", subtype="PCM_16"))
        content[8:12] = b"\xff" * 4
        np.testing.assert_allclose(heard(bytes(content), "a.au").load_audio(), sound, atol=1e-4)

    @pytest.mark.parametrize("seconds", [0.001, 0.1, 2.9, 60.0])
    @pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
    def test_flac_is_read_to_its_end(self, heard, seconds, subtype):
        sound = 0.1 * np.random.default_rng(2).standard_normal((int(seconds * 44100), 2))
        whole = written(sound, 44100, format="FLAC", subtype=subtype)
        content = bytearray(whole)
        stated = int.from_bytes(content[18:26], "big")
        assert stated & ((1 << 36) - 1) == len(sound)
        content[18:26] = (stated >> 36 << 36).to_bytes(8, "big")
        story = heard(bytes(content), "a.flac")
        assert story.audio_duration == len(sound) / 44100
        np.testing.assert_array_equal(story.load_audio(), decoded(whole))
        if seconds > 1:
            with pytest.raises(ValueError, match="a.flac' is (damaged|truncated)"):
                heard(bytes(content[:-3000]), "a.flac").load_audio()


class TestCutShort:
    @pytest.mark.parametrize("left", [0.3, 0.7, 0.99])
    @pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"])
    def test_a_shorter_file_than_its_header_states_is_refused(self, heard, sound, kind, left):
        content = written(sound, format=kind, subtype="PCM_16")
        with pytest.raises(ValueError, match=r"is truncated: its header states \d+ bytes but"):
            heard(content[: int(len(content) * left)], f"a.{kind.lower()}")

    @pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, 0x7FFFF024])
    def test_the_size_of_the_sound_counts_where_that_of_the_file_is_open(self, heard, sound, riff):
        content = with_sizes(written(sound, format="WAV", subtype="PCM_16"), riff, None)
        with pytest.raises(ValueError, match="is truncated"):
            heard(content[: len(content) // 2])

    def test_a_big_endian_wav_is_refused_too(self, heard, sound):
        content = written(sound, format="WAV", subtype="PCM_16", endian="BIG")
        assert content[:4] == b"RIFX"
        np.testing.assert_allclose(heard(content).load_audio(), sound, atol=1e-4)
        with pytest.raises(ValueError, match="is truncated"):
            heard(content[: len(content) // 2])

    def test_ogg_that_ends_within_a_page_is_refused(self, heard, sound):
        content = written(sound, format="OGG", subtype="VORBIS")
        with pytest.raises(ValueError, match=r"a.ogg' is truncated: its header states \d+ bytes"):
            heard(content[: len(content) * 2 // 3], "a.ogg")

    def test_two_oggs_in_one_file_are_refused(self, heard, sound):
        content = written(sound, format="OGG", subtype="VORBIS")
        with pytest.raises(ValueError, match="several sounds one after another.*ffmpeg -i a.ogg"):
            heard(content + content, "a.ogg")


class TestWhatWasRightStaysRight:
    @pytest.mark.parametrize(
        ("kind", "subtype"),
        [("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"),
         ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("WAV", "ULAW"), ("WAVEX", "PCM_24"),
         ("RF64", "PCM_24"), ("W64", "FLOAT"), ("AIFF", "PCM_24"), ("AIFF", "FLOAT"),
         ("AU", "PCM_16"), ("CAF", "PCM_24"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
         ("OGG", "VORBIS"), ("OGG", "OPUS")],
    )  # fmt: skip
    @pytest.mark.parametrize("rate", [16000, 44100, 48000])
    def test_every_kind_of_file_gives_the_mean_of_its_channels(
        self, heard, sound, kind, subtype, rate
    ):
        if subtype == "OPUS" and rate == 44100:
            rate = 24000  # which Opus has
        stereo = np.stack([sound, np.roll(sound, 5) / 2], axis=1)
        content = written(stereo, rate, format=kind, subtype=subtype)
        story = heard(content, f"a.{kind.lower()}")
        np.testing.assert_array_equal(story.load_audio(), decoded(content))
        assert (story.sampling_rate, story.audio_duration) == (rate, sound.size / rate)
        apart = np.abs(story.load_audio() - stereo.mean(axis=1)).max()
        assert apart < {"PCM_U8": 1e-2, "ULAW": 2e-2}.get(subtype, 1e-4) or kind == "OGG"


WHOLE = {
    "int16": lambda x: np.rint(x * 32768),
    "int24": lambda x: np.rint(x * (1 << 23)),
    "int32": lambda x: x * (1 << 31),
    "quiet int16": lambda x: np.rint(x * 100),
    "uint8": lambda x: np.rint(x * 128 + 128),
    "int16 at another rate": lambda x: x * 32768 * 0.9,
}


class TestUnitsOfIntegers:
    @pytest.mark.parametrize("units", WHOLE.values(), ids=WHOLE)
    @pytest.mark.parametrize(
        ("kind", "subtype"),
        [("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("AIFF", "FLOAT"), ("CAF", "FLOAT"),
         ("RF64", "FLOAT"), ("W64", "DOUBLE"), ("AU", "FLOAT")],
    )  # fmt: skip
    def test_a_file_of_floats_is_refused_as_an_array_is(self, heard, sound, units, kind, subtype):
        samples = units(sound)
        with pytest.raises(ValueError, match=r"audio reaches .*, expected float in -1..1: divide"):
            Stimulus("a", samples, RATE)
        story = heard(written(samples, format=kind, subtype=subtype), f"a.{kind.lower()}")
        with pytest.raises(ValueError, match=r"'a', '.*a\.\w+': audio reaches .*int16: audio / 3"):
            story.load_audio()

    @pytest.mark.parametrize(
        "ask",
        [
            lambda story: story.load_audio(),
            lambda story: story.load_audio(8000),
            lambda story: story.audio_hash,
            lambda story: story.content_hash,
        ],
    )
    def test_it_is_refused_whichever_way_it_is_asked_for(self, heard, sound, tmp_path, ask):
        samples = (sound * 32768).astype(np.float32)
        np.save(tmp_path / "a.npy", samples)
        stories = [
            heard(written(samples, format="WAV", subtype="FLOAT")),
            Stimulus("a", tmp_path / "a.npy", RATE, t_r=1.0),
        ]
        for story in stories:
            with pytest.raises(ValueError, match="audio reaches"):
                ask(story)

    def test_an_npy_of_integers_or_of_two_channels_is_refused_at_once(self, tmp_path, sound):
        for samples, message in (
            ((sound * 32768).astype(np.int16), "audio is int16, expected float"),
            (np.stack([sound, sound]), r"shape \(2, 51200\), expected"),
        ):
            np.save(tmp_path / "a.npy", samples)
            with pytest.raises(ValueError, match=message):
                Stimulus("a", tmp_path / "a.npy", RATE)

    @pytest.mark.parametrize("gain", [1.0, 12.0, 60.0])
    def test_floats_that_overshoot_are_no_integers(self, heard, sound, gain):
        samples = (sound * gain).astype(np.float32)
        story = heard(written(samples, format="WAV", subtype="FLOAT"))
        np.testing.assert_array_equal(story.load_audio(), samples)

    def test_a_clipped_or_silent_recording_is_no_integers(self, heard):
        for samples in (np.zeros(RATE), np.sign(np.sin(np.arange(RATE)))):
            story = heard(written(samples, format="WAV", subtype="FLOAT"))
            np.testing.assert_array_equal(story.load_audio(), samples)
