import numpy as np
import pytest
import soundfile

from encodekit.core import NotDownloadedError, present_file
from encodekit.data import Stimulus


class TestPointers:
    def test_a_dangling_link_of_git_annex_names_the_command(self, tmp_path):
        (tmp_path / "a.hf5").symlink_to(".git/annex/objects/x/y/MD5E-s5--0.hf5")
        with pytest.raises(NotDownloadedError, match=r"git-annex pointer.*`datalad get .*a\.hf5`"):
            present_file(tmp_path / "a.hf5")

    def test_an_unlocked_pointer_is_a_pointer(self, tmp_path):
        (tmp_path / "a.hf5").write_text("/annex/objects/MD5E-s5--0.hf5\n")
        with pytest.raises(NotDownloadedError, match="Fetch it by `get it`"):
            present_file(tmp_path / "a.hf5", fetch="get it")

    def test_a_pointer_of_git_lfs_is_a_pointer(self, tmp_path):
        text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
        (tmp_path / "a.wav").write_text(text)
        with pytest.raises(NotDownloadedError, match="Git LFS pointer.*git lfs pull"):
            Stimulus("a", tmp_path / "a.wav")

    def test_what_is_lacking_is_lacking_and_what_is_there_is_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="is not there: check the path"):
            present_file(tmp_path / "a.hf5")
        (tmp_path / "gone").symlink_to("nowhere")
        with pytest.raises(FileNotFoundError, match="is not there"):
            present_file(tmp_path / "gone")
        (tmp_path / "small.txt").write_text("small")
        assert present_file(tmp_path / "small.txt") == tmp_path / "small.txt"


class TestTruncatedSound:
    @pytest.mark.parametrize("kept", [0.02, 0.1, 0.5, 0.9, 0.999])
    def test_a_wav_that_was_cut_short_never_becomes_shorter_sound(self, tmp_path, kept):
        path = tmp_path / "a.wav"
        soundfile.write(path, np.zeros(5000), 1000, subtype="PCM_16")
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        with pytest.raises(ValueError, match=r"a.wav' is truncated: its header states 10044 bytes"):
            Stimulus("a", path)

    @pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
    def test_a_flac_that_was_cut_short_is_noticed_when_it_is_read(self, tmp_path, kept):
        path = tmp_path / "a.flac"
        soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 50000), 16000)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        stimulus = Stimulus("a", path)
        with pytest.raises(ValueError, match=r"a.flac' is (truncated|damaged)"):
            stimulus.load_audio()

    def test_a_wav_that_was_streamed_states_no_length(self, tmp_path):
        path = tmp_path / "a.wav"
        soundfile.write(path, np.zeros(5000), 1000, subtype="PCM_16")
        content = path.read_bytes()
        path.write_bytes(content[:4] + b"\xff\xff\xff\xff" + content[8:])
        assert Stimulus("a", path).audio_duration == 5.0
