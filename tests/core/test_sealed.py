import json
import os
import pickle
import shutil

import pytest

from encodekit.core import SealedFolder, read_sealed, verify_if_sealed, write_manifest
from encodekit.core._files import partial_name


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "saved"
    (root / "part").mkdir(parents=True)
    (root / "a.json").write_bytes(b'{"a": 1}')
    (root / "part" / "b.bin").write_bytes(b"second")
    write_manifest(root, "model", opened_by="ek.load(path) reads it")
    return root


def change(folder, **fields):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | fields))


class TestReading:
    def test_a_whole_folder_passes(self, folder):
        sealed = SealedFolder.open(folder, "model")
        sealed.verify()
        sealed.check_sizes()
        assert set(sealed.files) == {"a.json", "part/b.bin"}
        assert sealed.read("part/b.bin") == b"second"
        assert sealed.read_json("a.json") == {"a": 1}
        assert sealed / "a.json" == folder / "a.json"

    def test_a_part_of_it_is_read_by_its_own_names(self, folder):
        part = pickle.loads(pickle.dumps(SealedFolder.open(folder).within("part")))
        assert part.read("b.bin") == b"second"
        with pytest.raises(ValueError, match="'a.json' is not listed"):
            part.read("a.json")

    def test_a_flipped_bit_is_found_by_whoever_reads_it(self, folder):
        (folder / "part" / "b.bin").write_bytes(b"secone")
        sealed = SealedFolder.open(folder)
        sealed.check_sizes()
        told = r"is damaged.*part/b.bin has sha256 .* expected"
        for look in (
            sealed.verify,
            lambda: sealed.read("part/b.bin"),
            lambda: sealed / "part/b.bin",
        ):
            with pytest.raises(ValueError, match=told):
                look()

    def test_every_damage_is_listed(self, folder):
        (folder / "a.json").unlink()
        (folder / "part" / "b.bin").write_bytes(b"x")
        for look in (SealedFolder.open(folder).verify, SealedFolder.open(folder).check_sizes):
            with pytest.raises(
                ValueError, match=r"has 2 mistakes:\n  - a.json is missing\n  - part/b"
            ):
                look()

    @pytest.mark.parametrize("name", ["../saved/a.json", "/etc/hostname", "notes", "", "part", "."])
    def test_what_is_not_listed_is_not_read(self, folder, name):
        (folder / "notes").write_text("mine")
        sealed = SealedFolder.open(folder)
        for look in (sealed.read, sealed.locate, lambda one: sealed.locate(one, verify=False)):
            with pytest.raises(ValueError, match="is not listed in its manifest.json"):
                look(name)

    def test_a_pipe_in_the_place_of_a_file_is_named_at_once(self, folder):
        (folder / "a.json").unlink()
        os.mkfifo(folder / "a.json")
        with pytest.raises(ValueError, match="a.json is no file"):
            SealedFolder.open(folder).read("a.json")

    def test_json_that_is_none_is_named(self, folder):
        (folder / "a.json").write_text("[" * 100_000)
        write_manifest(folder, "model")
        with pytest.raises(ValueError, match="a.json in folder .* is damaged and no JSON"):
            SealedFolder.open(folder).read_json("a.json")

    def test_a_missing_folder_or_manifest_is_named(self, folder, tmp_path):
        with pytest.raises(FileNotFoundError, match="gone' is not there"):
            SealedFolder.open(tmp_path / "gone")
        with pytest.raises(NotADirectoryError, match="is a file: name the folder"):
            SealedFolder.open(folder / "a.json")
        (folder / "manifest.json").unlink()
        with pytest.raises(FileNotFoundError, match=r"has no manifest.json.*was interrupted"):
            SealedFolder.open(folder)

    def test_another_kind_is_refused_and_who_reads_it_told(self, folder):
        with pytest.raises(ValueError, match=r"holds a model, expected a study: ek.load\(path\)"):
            SealedFolder.open(folder, "study")

    def test_a_newer_schema_asks_for_an_upgrade(self, folder):
        change(folder, schema=2, files=[])
        with pytest.raises(ValueError, match="has schema 2, this encodekit reads up to 1: pip"):
            SealedFolder.open(folder)


SHA = "0" * 64
MALFORMED = {
    "no JSON": "{",
    "nothing": "",
    "zeros": "\0" * 300,
    "not UTF-8": b"\xff\xfe\x00",
    "deep": "[" * 100_000,
    "a list": "[]",
    "null": "null",
    "a number too long to read": '{"schema": ' + "9" * 5000 + ', "kind": "model", "files": {}}',
    "infinite": '{"schema": Infinity, "kind": "model", "files": {}}',
    "no number": '{"schema": NaN, "kind": "model", "files": {}}',
}
WRONG_FIELDS = {
    "schema true": {"schema": True},
    "schema text": {"schema": "1"},
    "schema half": {"schema": 1.5},
    "schema list": {"schema": [1]},
    "kind list": {"kind": ["model"]},
    "kind null": {"kind": None},
    "opened_by a number": {"opened_by": 3},
    "files list": {"files": []},
    "files null": {"files": None},
    "pending outside": {"pending": "../elsewhere"},
    "pending a number": {"pending": 3},
    "pending of another form": {"pending": "part"},
}
WRONG_ENTRIES = [
    3, None, [], {}, {"bytes": 1}, {"sha256": SHA}, {"bytes": "1", "sha256": SHA},
    {"bytes": True, "sha256": SHA}, {"bytes": -1, "sha256": SHA}, {"bytes": 1.0, "sha256": SHA},
    {"bytes": 1, "sha256": "0"}, {"bytes": 1, "sha256": SHA.replace("0", "G")},
    {"bytes": 1, "sha256": 3}, {"bytes": 1, "sha256": SHA + "\n"},
    {"bytes": 1, "sha256": SHA, "url": "x"},
]  # fmt: skip
WRONG_NAMES = [
    "../outside", "/etc/hosts", "a/../../b", "..", ".", "", "a//b", "a/", "./a", "C:\\x", "C:x",
    "..\\x", "a\\b", "a\0b", "x" * 300, "a/" + "y" * 256, "\ud800",
]  # fmt: skip


class TestManifest:
    @pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
    def test_what_is_no_manifest_is_damage(self, folder, content):
        written = content if isinstance(content, bytes) else content.encode()
        (folder / "manifest.json").write_bytes(written)
        self.refused(folder)

    @pytest.mark.parametrize("fields", WRONG_FIELDS.values(), ids=WRONG_FIELDS)
    def test_a_field_of_another_type_is_damage(self, folder, fields):
        change(folder, **fields)
        self.refused(folder)

    @pytest.mark.parametrize("entry", WRONG_ENTRIES, ids=str)
    def test_an_entry_of_another_form_is_damage(self, folder, entry):
        change(folder, files={"a.json": entry})
        self.refused(folder)

    @pytest.mark.parametrize("name", WRONG_NAMES, ids=ascii)
    def test_a_name_that_is_not_within_the_folder_is_damage(self, folder, name):
        change(folder, files={name: {"bytes": 1, "sha256": SHA}})
        self.refused(folder)

    def refused(self, folder):
        with pytest.raises(ValueError, match=r"manifest.json' is damaged") as caught:
            read_sealed(folder, "model", lambda sealed: sealed)
        assert type(caught.value) is ValueError

    def test_a_name_that_others_could_not_hold_is_not_sealed(self, folder):
        (folder / "a\\b").write_text("x")
        with pytest.raises(ValueError, match="name that other systems cannot hold"):
            write_manifest(folder, "model")


class TestReadSealed:
    @pytest.mark.parametrize("error", [KeyError("a"), TypeError(), RecursionError(), MemoryError()])
    def test_whatever_a_malformed_file_causes_is_one_error_with_its_cause(self, folder, error):
        def parse(sealed):
            raise error

        with pytest.raises(ValueError, match="holds a malformed model") as caught:
            read_sealed(folder, "model", parse)
        assert type(caught.value) is ValueError
        assert caught.value.__cause__ is error

    def test_an_error_of_the_reader_itself_is_passed_on(self, folder):
        def parse(sealed):
            raise ImportError("pip install torch")

        with pytest.raises(ImportError, match="pip install torch"):
            read_sealed(folder, "model", parse)

    def test_what_was_saved_over_in_between_is_read_again(self, folder):
        looks = []

        def parse(sealed):
            looks.append(sealed.token)
            if len(looks) == 1:
                (folder / "a.json").write_bytes(b'{"a": 2}')
                write_manifest(folder, "model")
            return sealed.read_json("a.json")

        assert read_sealed(folder, "model", parse) == {"a": 2}
        assert len(set(looks)) == 2

    def test_files_that_an_interrupted_save_has_not_moved_are_read_and_moved(self, folder):
        pending = partial_name(folder, folder)
        pending.mkdir()
        (folder / "a.json").rename(pending / "a.json")
        (folder / "a.json").write_bytes(b'{"a": 0}')  # of the version before
        change(folder, pending=pending.name)
        sealed = SealedFolder.open(folder)
        assert sealed.read_json("a.json") == {"a": 1}
        assert sealed.locate("a.json", verify=False) == pending / "a.json"
        read_sealed(folder, "model", lambda again: again.verify())
        assert not pending.exists()
        assert (folder / "a.json").read_bytes() == b'{"a": 1}'

    @pytest.mark.parametrize("link", ["target", "source", "part of source", "obsolete"])
    def test_a_folder_of_an_attacker_moves_and_removes_nothing_through_its_links(
        self, folder, tmp_path, link
    ):
        home = tmp_path / "home"
        (home / "part").mkdir(parents=True)
        (home / "part" / "b.bin").write_bytes(b"mine!!")
        pending = partial_name(folder, folder)
        moved = {"pending": pending.name}
        if link == "source":
            pending.symlink_to(home)
        else:
            (pending / "part").mkdir(parents=True)
            (pending / "part" / "b.bin").write_bytes(b"second")
        if link == "part of source":
            shutil.rmtree(pending / "part")
            (pending / "part").symlink_to(home / "part")
        if link in ("target", "obsolete"):
            shutil.rmtree(folder / "part")
            (folder / "part").symlink_to(home / "part")
        if link == "obsolete":
            seal = {"bytes": 6, "sha256": SHA}
            moved |= {"files": {}, "obsolete": {"part/b.bin": seal}}
        change(folder, **moved)
        read_sealed(folder, "model", lambda sealed: sealed.verify())
        assert (home / "part" / "b.bin").read_bytes() == b"mine!!"


class TestVerifyIfSealed:
    def test_a_folder_of_others_is_left_to_them(self, tmp_path):
        verify_if_sealed(tmp_path)
        for content in ('{"name": "an app"}', "[[1]]", "3"):
            (tmp_path / "manifest.json").write_text(content)
            verify_if_sealed(tmp_path)

    def test_a_damaged_one_of_ours_is_found(self, folder):
        verify_if_sealed(folder)
        (folder / "a.json").write_bytes(b'{"a": 2}')
        with pytest.raises(ValueError, match="a.json has sha256"):
            verify_if_sealed(folder)
        (folder / "manifest.json").write_text("")
        with pytest.raises(ValueError, match="manifest.json' is damaged"):
            verify_if_sealed(folder)
