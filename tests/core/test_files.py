import json
import os
from pathlib import Path

import pytest

from encodekit.core import atomic_write, check_manifest, whole_folder, write_manifest


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "saved"
    (root / "part").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"first")
    (root / "part" / "b.bin").write_bytes(b"second")
    write_manifest(root, "model")
    return root


def hidden(tmp_path):
    return [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def interrupted_save(target):
    with whole_folder(target, "model") as partial:
        (partial / "a.txt").write_text("x")
        raise KeyboardInterrupt


class TestAtomicWrite:
    def test_it_writes_and_replaces(self, tmp_path):
        path = tmp_path / "a.txt"
        assert atomic_write(path, b"one") == path
        atomic_write(path, b"two")
        assert path.read_bytes() == b"two"
        assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]

    def test_interrupted_it_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = atomic_write(tmp_path / "a.txt", b"old")

        def full(descriptor):
            raise OSError("disk full")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk full"):
            atomic_write(path, b"new")
        assert path.read_bytes() == b"old"
        assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


class TestManifest:
    def test_a_whole_folder_passes(self, folder):
        manifest = check_manifest(folder, "model")
        assert set(manifest["files"]) == {"a.txt", "part/b.bin"}
        assert manifest["schema"] == 1

    def test_a_flipped_bit_is_found(self, folder):
        (folder / "part" / "b.bin").write_bytes(b"secone")
        with pytest.raises(ValueError, match=r"is damaged.*part/b.bin has sha256 .* expected"):
            check_manifest(folder)

    def test_of_bulk_files_the_size_is_checked(self, folder):
        (folder / "part" / "b.bin").write_bytes(b"secone")
        check_manifest(folder, bulk=lambda name: name == "part/b.bin")
        (folder / "part" / "b.bin").write_bytes(b"sec")
        with pytest.raises(ValueError, match="b.bin has 3 bytes, expected 6"):
            check_manifest(folder, bulk=lambda name: name == "part/b.bin")

    def test_every_damage_is_listed(self, folder):
        (folder / "a.txt").unlink()
        (folder / "part" / "b.bin").write_bytes(b"x")
        with pytest.raises(ValueError, match=r"has 2 mistakes:\n  - a.txt is missing\n  - part/b"):
            check_manifest(folder)

    def test_a_missing_folder_or_manifest_is_named(self, folder, tmp_path):
        with pytest.raises(FileNotFoundError, match="gone' is not there"):
            check_manifest(tmp_path / "gone")
        (folder / "manifest.json").unlink()
        with pytest.raises(FileNotFoundError, match=r"has no manifest.json.*was interrupted"):
            check_manifest(folder)

    @pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1}', '{"schema": "x"}', "null"])
    def test_an_unreadable_manifest_is_damage(self, folder, content):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(ValueError, match=r"manifest.json' is damaged"):
            check_manifest(folder)

    def test_a_newer_schema_asks_for_an_upgrade(self, folder):
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"schema": 2}))
        with pytest.raises(ValueError, match="has schema 2, this encodekit reads up to 1: pip"):
            check_manifest(folder)

    def test_another_kind_is_refused(self, folder):
        with pytest.raises(ValueError, match="holds a model, expected a study"):
            check_manifest(folder, "study")

    @pytest.mark.parametrize("name", ["../outside", "/etc/hosts"])
    def test_names_outside_the_folder_are_refused(self, folder, name):
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][name] = {"bytes": 1, "sha256": "0"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match="lies outside the folder"):
            check_manifest(folder)


class TestWholeFolder:
    def test_it_appears_when_the_block_ends(self, tmp_path):
        target = tmp_path / "new" / "saved"
        with whole_folder(target, "model") as partial:
            (partial / "a").write_text("x")
            assert not target.exists()
        assert set(check_manifest(target, "model")["files"]) == {"a"}
        assert hidden(target.parent) == []

    def test_interrupted_it_leaves_nothing(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            interrupted_save(tmp_path / "a")
        assert list(tmp_path.iterdir()) == []

    def test_interrupted_it_leaves_the_old_one(self, folder, tmp_path):
        before = (folder / "a.txt").read_bytes()
        with pytest.raises(KeyboardInterrupt):
            interrupted_save(folder)
        check_manifest(folder, "model")
        assert (folder / "a.txt").read_bytes() == before
        assert hidden(tmp_path) == []

    def test_interrupted_between_the_renames_the_old_one_comes_back(
        self, folder, tmp_path, monkeypatch
    ):
        rename = Path.rename

        def interrupted(self, target):
            if self.name.endswith(".partial"):
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt), whole_folder(folder, "model"):
            pass
        check_manifest(folder, "model")
        assert hidden(tmp_path) == []

    def test_a_saved_folder_of_the_same_kind_is_replaced(self, folder, tmp_path):
        with whole_folder(folder, "model") as partial:
            (partial / "only").write_text("x")
        assert set(check_manifest(folder)["files"]) == {"only"}
        assert hidden(tmp_path) == []

    def test_an_empty_folder_is_taken(self, tmp_path):
        (tmp_path / "a").mkdir()
        with whole_folder(tmp_path / "a", "model"):
            pass
        check_manifest(tmp_path / "a", "model")

    def test_what_is_not_ours_is_left_alone(self, folder, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.tex").write_text("x")
        (tmp_path / "file").write_text("x")
        for target in (tmp_path / "mine", tmp_path / "file"):
            with (
                pytest.raises(FileExistsError, match="is there and is no saved model"),
                whole_folder(target, "model"),
            ):
                pass
        with (
            pytest.raises(FileExistsError, match="is there and is no saved study"),
            whole_folder(folder, "study"),
        ):
            pass
        assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"
