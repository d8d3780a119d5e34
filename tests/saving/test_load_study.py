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


def test_a_registered_study_is_asked_for_by_name(monkeypatch):
    made = {}
    monkeypatch.setattr(
        "encodekit.saving._load_study.load_spec",
        lambda kind, name: lambda **given: made.update(given, kind=kind, name=name) or "study",
    )
    assert ek.load_study("simulated", seed=3) == "study"
    assert made == {"kind": "studies", "name": "simulated", "seed": 3}
