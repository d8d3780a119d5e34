import json
from pathlib import Path

import numpy as np
import pytest

import encodekit as ek
from encodekit.saving import load_study


@pytest.fixture
def saved(encodekit_study, tmp_path):
    return encodekit_study.save(tmp_path / "tiny")


def test_a_name_that_nothing_has_gets_close_matches():
    with pytest.raises(ValueError, match="unknown study 'simulatd': did you mean 'simulated'"):
        load_study("simulatd")


def test_a_folder_may_be_named_without_a_slash(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    assert load_study("tiny").name == "small"


def test_a_path_that_is_no_study_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not there"):
        load_study(tmp_path / "gone")
    (tmp_path / "other").mkdir()
    with pytest.raises(FileNotFoundError, match="has no manifest"):
        load_study(f"{tmp_path}/other")


def test_what_a_registered_study_needs_is_named():
    with pytest.raises(
        TypeError, match=r"'folder' needs root=...: load_study\('folder', root=...\)"
    ):
        ek.load_study("folder")
    with pytest.raises(TypeError, match=r"'bids' needs task=..., space=...: load_study\('bids', "):
        ek.load_study("bids", root="nowhere")


def test_a_saved_study_takes_no_parameters_of_a_lab(saved):
    with pytest.raises(TypeError, match=r"takes verify= alone: leave out participants=, .*select"):
        ek.load_study(saved, participants=["P1"])


def test_a_registered_study_is_asked_for_by_name(monkeypatch):
    made = {}
    monkeypatch.setattr(
        "encodekit.saving._load_study.load_spec",
        lambda kind, name: lambda **given: made.update(given, kind=kind, name=name) or "study",
    )
    assert ek.load_study("simulated", seed=3) == "study"
    assert made == {"kind": "studies", "name": "simulated", "seed": 3}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A lab's own folder, ``lab``, where the test runs."""
    pytest.importorskip("encodekit_adapters")
    folder = tmp_path / "lab"
    folder.mkdir()
    values = np.random.default_rng(0).standard_normal((20, 3))
    np.save(folder / "y.npy", values)
    described = {
        "encodekit_study": 1, "name": "own", "t_r": 2.0,
        "stimuli": {"a": {"scan_starts": 0}},
        "participants": {"P1": {"responses": {"a": "y.npy"}}},
    }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(described))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize(
    ("given", "named"),
    [(("lab",), {}), (("folder", "lab"), {}), (("folder",), {"root": "lab"}), (("./lab",), {}),
     ((Path("lab"),), {}), (("lab/study.json",), {}), ((Path("lab") / "study.json",), {}),
     (("folder", Path("lab")), {"participants": "P1"}), (("lab",), {"participants": ["P1"]}),
     (("lab/",), {"dtype": "float64"})],
    ids=str,
)  # fmt: skip
def test_a_labs_own_folder_is_opened_by_any_of_its_names(own, given, named):
    study = load_study(*given, **named)
    assert (study.name, study.participants) == ("own", ["P1"])
    np.testing.assert_allclose(study.responses()[0].values, np.load(own / "y.npy"), rtol=1e-6)


def test_a_description_of_another_name_is_opened_by_its_path(own):
    (own / "study.json").rename(own / "pilot.json")
    assert load_study("lab/pilot.json").name == "own"
    with pytest.raises(FileNotFoundError, match=r"no manifest.json .* and no study.json"):
        load_study("lab")


def test_where_it_stands_is_a_folder_too(own, monkeypatch):
    monkeypatch.chdir(own)
    assert load_study(".").name == "own"


def test_runs_of_a_labs_own_folder_are_trimmed(own):
    assert load_study("lab", trim="10s").responses()[0].sizes["time"] == 15


class TestTwoThings:
    def test_a_folder_that_is_both_is_refused(self, own, encodekit_study):
        encodekit_study.save("saved")
        text = (own / "study.json").read_text()
        Path("saved/study.json").write_text(text)
        with pytest.raises(
            ValueError, match="holds a study.json of a lab's own arrays and the man"
        ):
            load_study("saved")

    def test_a_manifest_of_somebody_else_is_no_saved_study(self, own):
        (own / "manifest.json").write_text(json.dumps({"name": "an app", "icons": []}))
        assert load_study("lab").name == "own"

    def test_a_saved_study_whose_manifest_is_lost_is_no_labs_own(self, encodekit_study, tmp_path):
        path = encodekit_study.save(tmp_path / "saved")
        (path / "manifest.json").unlink()
        with pytest.raises(FileNotFoundError, match="is no study: it has no manifest.json"):
            load_study(path)

    def test_a_registered_name_comes_first_and_says_so(self, own, monkeypatch):
        monkeypatch.setattr("encodekit.saving._load_study.load_spec", lambda *_: lambda: "study")
        own.rename(own.with_name("simulated"))
        with pytest.warns(UserWarning, match="is loaded, and a folder here.*'./simulated'"):
            assert load_study("simulated") == "study"
        monkeypatch.undo()

    def test_the_folder_of_that_name_is_opened_as_a_path(self, own):
        own.rename(own.with_name("simulated"))
        assert load_study(own.with_name("simulated")).name == "own"

    def test_a_folder_of_the_name_of_an_adapter_needs_no_warning(self, own, tmp_path):
        own.rename(tmp_path / "folder")
        assert load_study("folder", "folder").name == "own"
        assert load_study("folder", root="folder").name == "own"

    def test_a_folder_given_to_what_has_none_is_refused(self, own):
        with pytest.raises(
            TypeError, match="'simulated' is read from no folder: leave out root='lab'"
        ):
            load_study("simulated", "lab")
        with pytest.raises(TypeError, match="'lab' is a folder already: leave out root='lab'"):
            load_study("lab", "lab")


def test_what_a_folder_may_be_else_is_said(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"BIDS data set: load_study\(.bids., root="):
        load_study(tmp_path)


def test_a_damaged_manifest_is_told(saved):
    (saved / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="manifest.json"):
        load_study(saved)
