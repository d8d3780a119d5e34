"""Round trips with nilearn; Brain-Score, neuralset and the hub by files."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import make_response
from encodekit.testing import check_study, small_study
from encodekit.testing._studies import STUDY_CHECKS
from encodekit_adapters import brainscore, hub, neuralset, nilearn_bridge

T_R = 2.0


def story(name, n_trs=24, seed=0):
    rng = np.random.default_rng(seed)
    onset = np.sort(rng.uniform(0, n_trs * T_R - 1, 60))
    words = pd.DataFrame({"word": "w", "onset": onset, "duration": 0.1})
    return ek.Stimulus(name, words=words, t_r=T_R, duration=n_trs * T_R)


def response(stimulus, person="P1", n=5, seed=0, **places):
    values = np.random.default_rng(seed).standard_normal((stimulus.n_trs, n)).astype("float32")
    return make_response(values, run=stimulus.run_name, stimulus=stimulus.name, participant=person,
                         tr_times=stimulus.grid, t_r=T_R, **places)  # fmt: skip


@pytest.fixture(scope="module")
def stories():
    return [story(f"story-{k}", seed=k) for k in range(3)]


class TestNilearn:
    @pytest.fixture
    def volume(self):
        nibabel = pytest.importorskip("nibabel")
        from nilearn.maskers import NiftiMasker

        mask = np.zeros((4, 4, 3), np.uint8)
        mask[1:3, 1:3, 1] = 1
        values = np.random.default_rng(0).standard_normal((4, 4, 3, 6)).astype("float32")
        affine = np.diag([4.0, 4, 4, 1])
        masker = NiftiMasker(nibabel.Nifti1Image(mask, affine), standardize=None)
        return masker.fit(), nibabel.Nifti1Image(values, affine), mask

    @pytest.mark.filterwarnings("ignore")
    def test_a_masker_goes_there_and_back(self, volume):
        masker, image, mask = volume
        given = {"run": "a", "participant": "P1", "tr_times": np.arange(6) * T_R, "t_r": T_R}
        rows = nilearn_bridge.from_masker(masker, image, **given)
        assert rows.attrs["space"] == "volume"
        back = nilearn_bridge.to_masker(rows, masker)
        whole = np.asarray(image.dataobj)
        np.testing.assert_array_equal(np.asarray(back.dataobj)[mask == 1], whole[mask == 1])

    def test_a_surface_goes_there_and_back(self):
        from nilearn.datasets import load_fsaverage

        mesh = load_fsaverage("fsaverage5")["pial"]
        n = mesh.parts["left"].n_vertices
        values = np.random.default_rng(0).standard_normal((3, 2 * n)).astype("float32")
        rows = make_response(values, run="a", participant="P1", tr_times=[0, 2, 4], t_r=T_R,
                             hemisphere=np.repeat(["left", "right"], n),
                             vertex=np.tile(np.arange(n), 2), space="fsaverage5")  # fmt: skip
        image = nilearn_bridge.to_surface(rows)
        np.testing.assert_array_equal(image.data.parts["right"][7], values[:, n + 7])
        given = {"run": "a", "participant": "P1", "tr_times": [0, 2, 4], "t_r": T_R}
        again = nilearn_bridge.from_surface(image, space="fsaverage5", **given)
        xr.testing.assert_identical(again, rows)

    def test_a_map_of_some_vertices_is_nan_elsewhere(self):
        values = xr.DataArray(
            [1.0, 2.0], dims="target",
            coords={"hemisphere": ("target", ["left", "right"]), "vertex": ("target", [3, 5])},
            attrs={"space": "fsaverage5"},
        )  # fmt: skip
        image = nilearn_bridge.to_surface(values)
        assert image.data.parts["left"][3] == 1.0
        assert image.data.parts["right"][5] == 2.0
        assert np.isnan(image.data.parts["left"]).sum() == 10241

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"vertex": ("target", [3, 99999])}, "right: vertex 99999 but the mesh has 10242"),
            ({"participant": ("target", ["P1", "P2"])}, "the values are of P1, P2: select one"),
        ],
    )
    def test_what_is_no_map_is_named(self, change, message):
        values = xr.DataArray(
            [1.0, 2.0], dims="target",
            coords={"hemisphere": ("target", ["left", "right"]), "vertex": ("target", [3, 5])},
            attrs={"space": "fsaverage5"},
        ).assign_coords(change)  # fmt: skip
        with pytest.raises(ValueError, match=message):
            nilearn_bridge.to_surface(values)
        with pytest.raises(ValueError, match="have no vertices"):
            nilearn_bridge.to_surface(values.drop_vars(["vertex", "participant"], errors="ignore"))
        other = values.drop_vars("participant", errors="ignore").assign_attrs(space="native")
        with pytest.raises(ValueError, match="no mesh of the space 'native'"):
            nilearn_bridge.to_surface(other)

    def test_an_image_that_is_no_time_series_is_named(self):
        class Image:
            class data:
                parts = {"left": np.zeros(3), "right": np.zeros(3)}  # noqa: RUF012

        with pytest.raises(ValueError, match=r"the shapes \[\(3,\), \(3,\)\], expected"):
            nilearn_bridge.from_surface(Image, run="a", participant="P1", space="x", t_r=2.0)


class TestBrainScore:
    def test_responses_go_there_and_back_through_a_file(self, stories, tmp_path):
        places = {"hemisphere": "left", "vertex": np.arange(5), "space": "fsaverage5"}
        runs = [response(s, **places) for s in stories[:2]]
        path = brainscore.save_assembly(brainscore.to_assembly(runs), tmp_path / "a.nc")
        again = brainscore.from_assembly(brainscore.load_assembly(path))
        assert list(again) == ["P1"]
        for mine, theirs in zip(runs, again["P1"], strict=True):
            xr.testing.assert_identical(theirs, mine)

    def test_runs_of_several_trs_go_there_and_back(self, stories, tmp_path):
        quick = ek.Stimulus("quick", t_r=1.5, duration=30.0)
        values = np.random.default_rng(3).standard_normal((20, 5)).astype("float32")
        given = {"run": "quick", "participant": "P1", "tr_times": quick.grid, "t_r": 1.5}
        runs = [response(stories[0]), make_response(values, **given)]
        saved = brainscore.save_assembly(brainscore.to_assembly(runs), tmp_path / "a.nc")
        again = brainscore.from_assembly(brainscore.load_assembly(saved))["P1"]
        for mine, theirs in zip(runs, again, strict=True):
            xr.testing.assert_identical(theirs, mine)

    def test_an_assembly_with_levels_and_stories_alone_is_read(self):
        """As brainscore_core holds Blank 2014: stories of TRs, no times."""
        assembly = xr.DataArray(
            np.arange(12.0).reshape(4, 3), dims=("presentation", "neuroid"),
            coords={"stimulus_id": ("presentation", list("abcd")),
                    "story": ("presentation", [1, 1, 1, 2]),
                    "neuroid_id": ("neuroid", ["x", "y", "z"]),
                    "subject": ("neuroid", ["s1", "s1", "s2"])},
        )  # fmt: skip
        levels = {"presentation": ["stimulus_id", "story"], "neuroid": ["neuroid_id", "subject"]}
        assembly = assembly.set_index(levels)
        found = brainscore.from_assembly(assembly, t_r=2.0, first_onset=4.0)
        assert found["s1"][0].seconds.values.tolist() == [4, 6, 8]
        assert found["s2"][1].values.tolist() == [[11.0]]
        with pytest.raises(ValueError, match="does not say its repetition time"):
            brainscore.from_assembly(assembly)
        with pytest.raises(ValueError, match="expected 'story' on presentation"):
            brainscore.from_assembly(assembly.reset_index("presentation").drop_vars("story"), t_r=2)
        with pytest.raises(ValueError, match="expected presentation and neuroid"):
            brainscore.from_assembly(assembly.rename(neuroid="voxel"), t_r=2)

    def test_a_fitted_pipeline_is_an_artificial_subject(self, stories):
        """A text read four times as fast has four times the words in a TR."""
        runs = [response(s, seed=k) for k, s in enumerate(stories)]
        rate = ek.WordRate(history=16.0)
        features = rate.transform(stories)
        for run in runs:
            rows = (features.run.values == run.run.values[0]) & (features.tr.values >= 0)
            run.values[:, 0] = features.values[rows, 0]
        model = make_pipeline(rate, ek.RidgeCV(alphas=[1e-3])).fit(stories, runs)
        rates = []
        for pace in (0.4, 0.1):
            subject = brainscore.ArtificialSubject(
                model, "mine", t_r=T_R, seconds_per_word=pace, lag=0.0
            )
            assert subject.identifier() == "mine"
            with pytest.raises(ValueError, match="mine does not record: call start_neural"):
                subject.digest_text("a")
            subject.start_neural_recording("language_system", "fMRI")
            answer = subject.digest_text(["a b " * 40, "c d " * 40])["neural"]
            assert answer.dims == ("presentation", "neuroid")
            assert answer.stimulus_id.values.tolist() == [0, 1]
            rates.append(float(answer.values[0, 0]))
        assert rates[1] / rates[0] == pytest.approx(4, rel=0.15)
        with pytest.raises(ValueError, match="text 1 has no words"):
            subject.digest_text(["a", " "])
        with pytest.raises(ValueError, match="has no task 'next_word'"):
            subject.start_behavioral_task("next_word")
        with pytest.raises(ValueError, match="predicts fMRI, not ECoG"):
            subject.start_neural_recording("language_system", "ECoG")


class TestNeuralset:
    def test_stimuli_go_there_and_back_through_a_file(self, stories, tmp_path):
        sound = np.random.default_rng(0).uniform(-1, 1, 4000).astype("float32")
        words = pd.DataFrame({"word": ["NA", "fox"], "onset": [0.5, 1.0], "duration": [0.2, 0.2]})
        phones = words.rename(columns={"word": "phone"})
        heard = ek.Stimulus("loud", sound, 1000, words=words, phones=phones, t_r=1.0, run="r/1")
        study = ek.Study("s", [heard], {"P1": {"r/1": _short(heard)}})
        path = neuralset.save_events(neuralset.to_events(study, tmp_path), tmp_path / "events.csv")
        (again,) = neuralset.from_events(neuralset.load_events(path), t_r=1.0)
        assert (again.name, again.run_name) == ("loud", "r/1")
        np.testing.assert_array_equal(again.load_audio(), sound)
        pd.testing.assert_frame_equal(again.words, words)
        pd.testing.assert_frame_equal(again.phones, phones)

    def test_times_count_from_the_beginning_of_the_sound(self, tmp_path):
        import soundfile

        soundfile.write(tmp_path / "a.wav", np.zeros(9000), 1000)
        events = pd.DataFrame({
            "type": ["Audio", "Word"], "start": [10.0, 12.5], "duration": [9.0, 0.5],
            "timeline": "t", "text": ["", "fox"], "filepath": [str(tmp_path / "a.wav"), ""],
        })  # fmt: skip
        (stimulus,) = neuralset.from_events(events, t_r=2.0)
        assert stimulus.words["onset"].tolist() == [2.5]
        assert stimulus.n_trs == 5

    def test_mistakes_come_in_one_message(self):
        events = pd.DataFrame({
            "type": ["Audio", "Audio", "Word"], "start": 0.0, "duration": 1.0, "timeline": "t",
            "text": ["", "", ""],
        })  # fmt: skip
        with pytest.raises(ValueError, match=r"(?s)2 mistakes.*2 Audio events.*1 words without"):
            neuralset.from_events(events, t_r=1.0)
        with pytest.raises(ValueError, match="there is no column 'timeline'"):
            neuralset.from_events(events.drop(columns="timeline"), t_r=1.0)


def _short(stimulus):
    return make_response(np.zeros((stimulus.n_trs, 1), "float32"), run=stimulus.run_name,
                         stimulus=stimulus.name, participant="P1", tr_times=stimulus.grid,
                         t_r=1.0)  # fmt: skip


class Shelf:
    """The part of the hub's client that the bridge asks for, over a folder."""

    def __init__(self, folder):
        self.folder, self.made = folder, []

    def create_repo(self, repo_id, **given):
        self.made.append((repo_id, given["repo_type"], given["private"]))

    def upload_folder(self, *, repo_id, folder_path, **given):
        shutil.copytree(folder_path, self.folder / repo_id, dirs_exist_ok=True)
        return f"https://example.org/{repo_id}"

    def snapshot_download(self, repo_id, **given):
        return str(self.folder / repo_id)


class TestHub:
    def test_a_saved_model_comes_back_whole(self, tmp_path):
        saved = ek.save(ek.RidgeCV(alphas=[1.0]), tmp_path / "model")
        shelf = Shelf(tmp_path / "shelf")
        assert hub.push(saved, "lab/model", api=shelf) == "https://example.org/lab/model"
        assert shelf.made == [("lab/model", "model", True)]
        assert ek.load(hub.pull("lab/model", api=shelf)).alphas == [1.0]

    def test_what_is_not_whole_neither_goes_nor_comes(self, tmp_path):
        saved = ek.save(ek.RidgeCV(alphas=[1.0]), tmp_path / "model")
        shelf = Shelf(tmp_path / "shelf")
        hub.push(saved, "lab/model", api=shelf)
        with pytest.raises(ValueError, match="holds a model, expected a study"):
            hub.pull("lab/model", kind="study", api=shelf)
        next((tmp_path / "shelf/lab/model").glob("*.safetensors")).write_bytes(b"")
        with pytest.raises(ValueError, match="is damaged"):
            hub.pull("lab/model", api=shelf)
        (saved / "manifest.json").unlink()
        with pytest.raises(FileNotFoundError, match="has no manifest.json"):
            hub.push(saved, "lab/other", api=shelf)
        assert not (tmp_path / "shelf/lab/other").exists()

    def test_the_real_client_has_what_is_asked_of_it(self):
        import inspect

        from huggingface_hub import HfApi

        for name, asked in (
            ("create_repo", {"repo_id", "repo_type", "private", "exist_ok"}),
            ("upload_folder", {"repo_id", "folder_path", "repo_type", "commit_message",
                               "delete_patterns"}),
            ("snapshot_download", {"repo_id", "repo_type", "revision"}),
        ):  # fmt: skip
            assert asked <= set(inspect.signature(getattr(HfApi, name)).parameters)


class TestTheTestKit:
    """A study whose stimuli or responses went through a bridge keeps the data contract."""

    SMALL = small_study(n_stories=3, seconds=16.0, repeats=1)

    @staticmethod
    def passes(load):
        return len(check_study(load)) == len(STUDY_CHECKS)

    def study(self, stimuli=None, responses=None):
        kept = {
            person: {
                str(run.run.values[0]): run.sel(target=run.participant.values == person)
                for run in self.SMALL.responses()
            }
            for person in self.SMALL.participants
        }
        return ek.Study("bridged", self.SMALL.stimuli if stimuli is None else stimuli,
                        kept if responses is None else responses,
                        description="small_study, through a bridge")  # fmt: skip

    def test_responses_through_an_assembly_pass(self, tmp_path):
        assembly = brainscore.to_assembly(self.SMALL.responses())
        path = brainscore.save_assembly(assembly, tmp_path / "a.nc")

        def load():
            found = brainscore.from_assembly(brainscore.load_assembly(path))
            runs = {
                person: {str(run.run.values[0]): run for run in theirs}
                for person, theirs in found.items()
            }
            return self.study(responses=runs)

        assert self.passes(load)

    def test_stimuli_through_an_events_table_pass(self, tmp_path):
        events = neuralset.to_events(self.SMALL, tmp_path)
        path = neuralset.save_events(events, tmp_path / "events.csv")
        assert self.passes(
            lambda: self.study(neuralset.from_events(neuralset.load_events(path), t_r=T_R))
        )

    def test_responses_through_a_masker_pass(self):
        nibabel = pytest.importorskip("nibabel")
        from nilearn.maskers import NiftiMasker

        mask = nibabel.Nifti1Image(np.ones((2, 2, 1), np.uint8), np.diag([4.0, 4, 4, 1]))
        masker = NiftiMasker(mask, standardize=None).fit()
        rng = np.random.default_rng(0)
        images = {
            story.run_name: masker.inverse_transform(rng.standard_normal((story.n_trs, 4)))
            for story in self.SMALL.stimuli
        }

        def load():
            runs = {
                story.run_name: nilearn_bridge.from_masker(
                    masker, images[story.run_name], run=story.run_name, participant="P1",
                    tr_times=story.grid, t_r=T_R,
                )
                for story in self.SMALL.stimuli
            }  # fmt: skip
            return self.study(responses={"P1": runs})

        assert self.passes(load)

    def test_a_study_through_the_hub_passes(self, tmp_path):
        shelf = Shelf(tmp_path / "shelf")
        hub.push(small_study().save(tmp_path / "study"), "lab/study", api=shelf)
        assert self.passes(lambda: ek.load_study(hub.pull("lab/study", kind="study", api=shelf)))
