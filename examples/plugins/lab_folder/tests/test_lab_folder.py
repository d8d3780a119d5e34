import numpy as np
import pytest
import soundfile
from encodekit_example_lab_folder import plugin
from encodekit_example_lab_folder.study import load_lab_folder

import encodekit as ek
from encodekit.testing import check_study


@pytest.fixture
def folder(tmp_path):
    """Two stories; Anna heard fox twice, Ben lacks dog."""
    rng = np.random.default_rng(0)
    for person, story, shape in [
        ("anna", "fox", (2, 10, 4)),
        ("anna", "dog", (8, 4)),
        ("ben", "fox", (10, 3)),
    ]:
        (tmp_path / person).mkdir(exist_ok=True)
        np.save(tmp_path / person / f"{story}.npy", rng.standard_normal(shape))
    (tmp_path / "stories").mkdir()
    for story, seconds in [("fox", 24), ("dog", 20)]:
        sound = 0.1 * rng.standard_normal(seconds * 8000)
        soundfile.write(tmp_path / "stories" / f"{story}.wav", sound, 8000)
    return tmp_path


def test_it_keeps_the_contract(folder):
    assert len(check_study(lambda: load_lab_folder(folder))) == 8


def test_who_lacks_a_story_is_nan_there(folder):
    study = load_lab_folder(folder)
    dog, fox = study.responses()
    assert dog.run.values[0] == "dog"
    assert np.isnan(dog.sel(target=dog.participant == "ben")).all()
    np.testing.assert_allclose(
        fox.sel(target=fox.participant == "anna"),
        np.load(folder / "anna" / "fox.npy").mean(axis=0),
        rtol=1e-5,
    )


def test_the_first_tr_may_lie_within_the_audio(folder):
    fox = load_lab_folder(folder, first=2.0).stimuli[1]
    assert fox.grid[:2].tolist() == [2.0, 4.0]


def test_responses_without_a_story_are_named(folder):
    np.save(folder / "ben" / "cat.npy", np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"ben/cat\.npy have no story: the stories are dog, fox"):
        load_lab_folder(folder)


def test_a_folder_of_another_make_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"0 files stories/\*\.wav and 0 files"):
        load_lab_folder(tmp_path)


def test_the_plugin_is_accepted(encodekit_plugins, folder):
    with encodekit_plugins.add(plugin, name="example-lab-folder") as harness:
        assert harness["example-lab-folder"].cause is None
        assert ek.load_study("lab-folder", root=folder).participants == ["anna", "ben"]
