import os
import threading
import time

import pytest

from encodekit.core import atomic_write, whole_file
from encodekit.core._files import (
    MARKER,
    is_partial_name,
    new_folder,
    partial_name,
    remove_abandoned,
)

DAY = 86400.0


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestAtomicWrite:
    def test_it_writes_and_replaces(self, tmp_path):
        path = tmp_path / "a.txt"
        assert atomic_write(path, b"one") == path
        atomic_write(path, b"two")
        assert path.read_bytes() == b"two"
        assert names(tmp_path) == ["a.txt"]

    def test_interrupted_it_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = atomic_write(tmp_path / "a.txt", b"old")

        def full(descriptor):
            raise OSError("disk full")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk full"):
            atomic_write(path, b"new")
        assert path.read_bytes() == b"old"
        assert names(tmp_path) == ["a.txt"]

    def test_a_link_stays_a_link(self, tmp_path):
        (tmp_path / "disk").mkdir()
        atomic_write(tmp_path / "disk" / "a", b"old")
        (tmp_path / "link").symlink_to(tmp_path / "disk" / "a")
        atomic_write(tmp_path / "link", b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "disk" / "a").read_bytes() == b"new"

    def test_a_link_that_leads_nowhere_yet_is_followed(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "later")
        atomic_write(tmp_path / "link", b"new")
        assert (tmp_path / "later").read_bytes() == b"new"

    def test_a_name_as_long_as_names_can_be_is_written(self, tmp_path):
        path = atomic_write(tmp_path / ("x" * 255), b"content")
        assert path.read_bytes() == b"content"


class TestAbandoned:
    def test_what_a_dead_writer_left_goes_with_the_next_write(self, tmp_path):
        dead_file, dead_folder = partial_name(tmp_path / "a"), partial_name(tmp_path / "b")
        dead_file.write_bytes(b"half")
        dead_folder.mkdir()
        (dead_folder / MARKER).touch()
        (dead_folder / "half").write_bytes(b"half")
        atomic_write(tmp_path / "c", b"whole")
        assert names(tmp_path) == ["c"]

    def test_what_is_being_written_stays(self, tmp_path):
        with (
            whole_file(tmp_path / "a") as partial,
            new_folder(partial_name(tmp_path / "b")) as made,
        ):
            partial.write_bytes(b"half")
            remove_abandoned(tmp_path)
            assert partial.exists()
            assert made.exists()

    def test_a_writer_in_another_thread_counts_too(self, tmp_path):
        goes_on, begun = threading.Event(), threading.Event()

        def write():
            with whole_file(tmp_path / "a") as partial:
                partial.write_bytes(b"slow")
                begun.set()
                goes_on.wait(10)

        thread = threading.Thread(target=write)
        thread.start()
        begun.wait(10)
        atomic_write(tmp_path / "b", b"quick")
        goes_on.set()
        thread.join()
        assert (tmp_path / "a").read_bytes() == b"slow"

    @pytest.mark.parametrize(
        "name",
        [
            ".a.deadbeef.partial",
            ".a.partial",
            "a.0123456789abcdef.encodekit-partial",
            ".a.0123456789ABCDEF.encodekit-partial",
            ".a.0123456789abcdef.encodekit-partial.bak",
            ".a.0123.encodekit-partial",
        ],
    )
    def test_names_of_another_form_stay(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"mine")
        os.utime(tmp_path / name, (0, 0))
        atomic_write(tmp_path / "c", b"whole")
        assert not is_partial_name(name)
        assert name in names(tmp_path)

    def test_a_folder_without_our_marker_and_a_link_stay(self, tmp_path):
        folder, link = partial_name(tmp_path / "a"), partial_name(tmp_path / "b")
        folder.mkdir()
        (folder / "notes").write_text("mine")
        link.symlink_to(tmp_path / "elsewhere")
        for path in (folder, folder / "notes"):
            os.utime(path, (0, 0))
        atomic_write(tmp_path / "c", b"whole")
        assert (folder / "notes").exists()
        assert link.is_symlink()

    def test_of_another_machine_it_goes_after_a_day(self, tmp_path):
        other = tmp_path / ".a.0000000123456789.encodekit-partial"
        other.write_bytes(b"half")
        remove_abandoned(tmp_path)
        assert other.exists()
        os.utime(other, (time.time() - 2 * DAY,) * 2)
        remove_abandoned(tmp_path)
        assert not other.exists()
