import json
import os
import shutil

import pytest

from encodekit.core import (
    SealedFolder,
    atomic_write,
    remove_sealed,
    resumed_folder,
    whole_folder,
)
from encodekit.core._files import MARKER, is_partial_name, partial_name


def save(target, kind="model", **files):
    with whole_folder(target, kind) as partial:
        for name, content in files.items():
            path = partial / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


def content(target):
    sealed = SealedFolder.open(target)
    sealed.verify()
    return {name: sealed.read(name).decode() for name in sealed.files}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def saved(tmp_path):
    save(tmp_path / "saved", a="first", part__b="second")
    return tmp_path / "saved"


def interrupted_save(target):
    with whole_folder(target, "model") as partial:
        (partial / "a").write_text("x")
        raise KeyboardInterrupt


def interrupted_resumable(target):
    with resumed_folder(target, "study", "f1") as partial:
        (partial / "x").write_text("1")
        raise KeyboardInterrupt


class TestNew:
    def test_it_appears_when_the_block_ends(self, tmp_path):
        target = tmp_path / "new" / "saved"
        with whole_folder(target, "model") as partial:
            (partial / "a").write_text("x")
            assert not target.exists()
        assert content(target) == {"a": "x"}
        assert names(target) == ["a", "manifest.json"]
        assert names(target.parent) == ["saved"]

    def test_interrupted_it_leaves_nothing(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            interrupted_save(tmp_path / "a")
        assert names(tmp_path) == []

    def test_an_empty_folder_is_taken(self, tmp_path):
        (tmp_path / "a").mkdir()
        save(tmp_path / "a", x="1")
        assert content(tmp_path / "a") == {"x": "1"}
        assert names(tmp_path / "a") == ["manifest.json", "x"]

    def test_a_link_that_leads_nowhere_yet_is_followed(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "disk" / "model")
        save(tmp_path / "link", x="1")
        assert content(tmp_path / "disk" / "model") == {"x": "1"}

    def test_two_that_begin_at_once_both_end_well(self, tmp_path):
        target = tmp_path / "a"
        with whole_folder(target, "model") as first:
            (first / "x").write_text("first")
            save(target, x="second", y="more")
        assert content(target) == {"x": "first"}
        assert names(target) == ["manifest.json", "x"]
        assert names(tmp_path) == ["a"]


class TestOver:
    def test_what_the_old_one_listed_is_replaced(self, saved):
        save(saved, a="new", c="more")
        assert content(saved) == {"a": "new", "c": "more"}
        assert names(saved) == ["a", "c", "manifest.json"]
        assert names(saved.parent) == ["saved"]

    def test_what_it_did_not_list_is_not_touched(self, saved):
        (saved / "notes.md").write_text("a year of notes")
        (saved / ".git").mkdir()
        (saved / ".git" / "HEAD").write_text("ref")
        (saved / "part" / "mine").write_text("in a folder of ours")
        (saved / "link").symlink_to("/elsewhere")
        save(saved, a="new")
        assert (saved / "notes.md").read_text() == "a year of notes"
        assert (saved / ".git" / "HEAD").read_text() == "ref"
        assert names(saved / "part") == ["mine"]
        assert (saved / "link").is_symlink()
        assert content(saved) == {"a": "new"}

    def test_a_listed_file_that_somebody_rewrote_stays_where_no_new_one_replaces_it(self, saved):
        (saved / "part" / "b").write_text("my own notes, in the place of it")
        save(saved, a="new")
        assert (saved / "part" / "b").read_text() == "my own notes, in the place of it"

    def test_a_file_of_others_in_the_way_of_a_new_one_is_named_and_kept(self, saved):
        (saved / "c").write_text("mine")
        (saved / "d").write_text("mine")
        with pytest.raises(FileExistsError, match="'c', 'd/e', which encodekit did not write"):
            save(saved, a="new", c="ours", d__e="ours", f="ours")
        assert (saved / "c").read_text() == "mine"
        assert content(saved) == {"a": "first", "part/b": "second"}
        assert names(saved.parent) == ["saved"]

    def test_a_folder_in_the_place_of_a_listed_file_is_named_and_kept(self, saved):
        (saved / "a").unlink()
        (saved / "a").mkdir()
        (saved / "a" / "mine").write_text("mine")
        with pytest.raises(FileExistsError, match="holds 'a', which encodekit did not write"):
            save(saved, a="new")
        assert (saved / "a" / "mine").read_text() == "mine"

    def test_a_link_stays_a_link(self, saved, tmp_path):
        (tmp_path / "link").symlink_to(saved)
        save(tmp_path / "link", a="new")
        assert (tmp_path / "link").is_symlink()
        assert content(saved) == {"a": "new"}
        assert names(tmp_path) == ["link", "saved"]

    @pytest.mark.parametrize("name", ["part", "part/b", "a"])
    def test_nothing_is_written_through_a_link_within(self, saved, tmp_path, name):
        (tmp_path / "mine" / "part").mkdir(parents=True)
        for file in ("a", "part/b"):
            (tmp_path / "mine" / file).write_text("mine")
        shutil.rmtree(saved / name) if name == "part" else (saved / name).unlink()
        (saved / name).symlink_to(tmp_path / "mine" / name)
        with pytest.raises(FileExistsError, match="or behind a link"):
            save(saved, a="new", part__b="third")
        assert (saved / name).is_symlink()
        for file in ("a", "part/b"):
            assert (tmp_path / "mine" / file).read_text() == "mine"

    @pytest.mark.parametrize("write", ["file", "folder", "same folder"])
    def test_a_write_after_a_kill_does_not_take_the_new_version_for_abandoned(self, saved, write):
        pending = partial_name(saved, saved)
        pending.mkdir()
        (pending / MARKER).touch()
        (saved / "a").rename(pending / "a")
        (saved / "a").write_text("of the version before")
        manifest = json.loads((saved / "manifest.json").read_text()) | {"pending": pending.name}
        (saved / "manifest.json").write_text(json.dumps(manifest))
        if write == "file":
            atomic_write(saved / "report.html", b"x")
        elif write == "folder":
            save(saved / "inner", x="1")
        else:
            with pytest.raises(KeyboardInterrupt):
                interrupted_save(saved)
        assert content(saved) == {"a": "first", "part/b": "second"}

    def test_interrupted_it_leaves_the_old_one(self, saved):
        with pytest.raises(KeyboardInterrupt):
            interrupted_save(saved)
        assert content(saved) == {"a": "first", "part/b": "second"}
        assert names(saved) == ["a", "manifest.json", "part"]

    @pytest.mark.parametrize("at", range(1, 12))
    def test_interrupted_at_any_step_it_is_old_or_new_and_never_lost(self, saved, at, monkeypatch):
        (saved / "notes").write_text("mine")
        calls = []
        for name in ("replace", "rename", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, interrupting(getattr(os, name), calls, at))
        try:
            save(saved, a="new", part__c="more")
            ended = True
        except KeyboardInterrupt:
            ended = False
        monkeypatch.undo()
        old, new = {"a": "first", "part/b": "second"}, {"a": "new", "part/c": "more"}
        assert content(saved) in ([new] if ended else [old, new])
        save(saved, a="last")
        assert content(saved) == {"a": "last"}
        assert names(saved) == ["a", "manifest.json", "notes"]
        assert names(saved.parent) == ["saved"]

    def test_damaged_files_can_be_saved_over(self, saved):
        (saved / "a").write_text("")
        save(saved, a="new", part__b="x")
        assert content(saved) == {"a": "new", "part/b": "x"}


def interrupting(function, calls, at):
    def counted(*args, **kwargs):
        calls.append(args)
        if len(calls) == at:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return counted


class TestForeign:
    @pytest.mark.parametrize("kind", ["study", "result"])
    def test_another_kind_is_not_saved_over(self, saved, kind):
        with pytest.raises(FileExistsError, match=f"is no saved {kind} .*holds a model"):
            save(saved, kind, a="new")
        assert content(saved) == {"a": "first", "part/b": "second"}

    def test_a_folder_of_others_is_left_alone_and_what_is_in_the_way_named(self, tmp_path):
        (tmp_path / "mine").mkdir()
        for name in ("thesis.tex", "b", "c", "d", "e"):
            (tmp_path / "mine" / name).write_text("x")
        told = r"with 'b', 'c', 'd', 'e', \.\.\., and is no saved model"
        with pytest.raises(FileExistsError, match=told):
            save(tmp_path / "mine", a="new")
        assert names(tmp_path / "mine") == ["b", "c", "d", "e", "thesis.tex"]

    @pytest.mark.parametrize("written", ["", "{}", '{"name": "app", "icons": []}', "[]"])
    def test_a_manifest_of_something_else_is_not_ours(self, tmp_path, written):
        (tmp_path / "app").mkdir()
        (tmp_path / "app" / "manifest.json").write_text(written)
        with pytest.raises(FileExistsError, match="with 'manifest.json', and is no saved model"):
            save(tmp_path / "app", a="new")
        assert (tmp_path / "app" / "manifest.json").read_text() == written

    def test_a_file_and_a_link_that_leads_in_a_circle_are_left_alone(self, tmp_path):
        (tmp_path / "file").write_text("x")
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        for name in ("file", "loop"):
            with pytest.raises(FileExistsError, match="is no saved model but a file"):
                save(tmp_path / name, a="new")


class TestResumed:
    def test_what_was_left_is_given_again_and_then_taken(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            interrupted_resumable(tmp_path / "a")
        with resumed_folder(tmp_path / "a", "study", "f1") as part:
            assert (part / "x").read_text() == "1"
        assert content(tmp_path / "a") == {"x": "1"}
        assert names(tmp_path) == ["a"]
        assert names(tmp_path / "a") == ["manifest.json", "x"]

    def test_it_replaces_a_saved_one_and_keeps_what_is_not_ours(self, tmp_path):
        save(tmp_path / "a", "study", x="old", y="old")
        (tmp_path / "a" / "notes").write_text("mine")
        with resumed_folder(tmp_path / "a", "study", "f1") as part:
            (part / "x").write_text("new")
        assert content(tmp_path / "a") == {"x": "new"}
        assert names(tmp_path / "a") == ["manifest.json", "notes", "x"]

    def test_a_file_in_the_way_does_not_cost_what_was_written(self, tmp_path):
        save(tmp_path / "a", "study", x="old")
        (tmp_path / "a" / "y").write_text("mine")
        with pytest.raises(FileExistsError), resumed_folder(tmp_path / "a", "study", "f1") as part:
            (part / "y").write_text("hours of work")
        (tmp_path / "a" / "y").unlink()
        with resumed_folder(tmp_path / "a", "study", "f1") as part:
            assert (part / "y").read_text() == "hours of work"
        assert content(tmp_path / "a") == {"y": "hours of work"}

    def test_a_second_writer_is_refused(self, tmp_path):
        with (
            resumed_folder(tmp_path / "a", "study", "f1"),
            pytest.raises(FileExistsError, match="another process is writing"),
            resumed_folder(tmp_path / "a", "study", "f1"),
        ):
            pass

    def test_another_name_that_begins_alike_is_left_to_its_own_save(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            interrupted_resumable(tmp_path / "a.b")
        with resumed_folder(tmp_path / "a", "study", "f2") as part:
            (part / "x").touch()
        assert names(tmp_path) == [".a.b.f1.resumed", "a"]


class TestRemoveSealed:
    def test_nothing_behind_a_link_is_removed(self, saved, tmp_path):
        (tmp_path / "link").symlink_to(saved)
        remove_sealed(tmp_path / "link", "model")
        assert content(saved) == {"a": "first", "part/b": "second"}

    def test_a_file_of_the_same_size_that_somebody_wrote_stays(self, saved):
        (saved / "part" / "b").write_text("SECOND")
        save(saved, a="new")
        assert (saved / "part" / "b").read_text() == "SECOND"

    def test_it_removes_what_was_listed_and_what_is_then_empty(self, saved):
        remove_sealed(saved, "model")
        assert not saved.exists()

    def test_what_is_not_ours_stays(self, saved):
        (saved / "part" / "mine").write_text("x")
        remove_sealed(saved, "model")
        assert [path.name for path in saved.rglob("*") if path.is_file()] == ["mine"]

    def test_another_kind_and_folders_of_others_stay(self, saved, tmp_path):
        (tmp_path / "mine").mkdir()
        remove_sealed(saved, "study")
        remove_sealed(tmp_path / "mine", "model")
        remove_sealed(tmp_path / "gone", "model")
        assert content(saved) == {"a": "first", "part/b": "second"}
        assert (tmp_path / "mine").is_dir()


def test_temporary_names_have_the_one_form(tmp_path):
    with whole_folder(tmp_path / "a", "model") as partial:
        assert is_partial_name(partial.name)
        (partial / "x").touch()
    with whole_folder(tmp_path / "a", "model") as partial:
        assert is_partial_name(partial.name)
        assert partial.parent == tmp_path / "a"
