import json
from itertools import pairwise

import numpy as np
import pytest

import encodekit as ek
from encodekit.testing import check_study
from encodekit.testing._studies import STUDY_CHECKS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:nilearn")
MNI = "MNI152NLin2009cAsym"


@pytest.fixture(scope="module")
def whole(layouts, tmp_path_factory):
    root = tmp_path_factory.mktemp("bids") / "set"
    layouts.write_bids(root)
    return root


@pytest.fixture
def broken(layouts, tmp_path):
    """A data set of one person, to damage."""
    layouts.write_bids(tmp_path / "set", people=("01",))
    return tmp_path / "set"


def load(root, space, **given):
    return ek.load_study("bids", root=root, task="story", space=space,
                         **{"confounds": None, **given})  # fmt: skip


class TestSpaces:
    def test_gifti_of_both_hemispheres(self, whole, layouts):
        """TR 0 begins 3 s before the sound; TR 2 (3 s) is the first that is sampled in it."""
        study = load(whole, "fsaverage5")
        response = study.select("part1", "sub-01").responses()[0].compute()
        np.testing.assert_array_equal(response.values[:, :6], layouts.bold_values(11, 20, 6)[2:-1])
        assert response.seconds.values[0] == 0.0
        assert response.hemisphere.values.tolist() == ["left"] * 6 + ["right"] * 6
        assert response.attrs["space"] == "fsaverage5"
        assert study.runs == ["part1", "part2"]

    def test_a_volume_is_read_at_the_voxels_of_every_mask(self, whole, layouts):
        response = load(whole, MNI).select("part1", "sub-01").responses()[0].compute()
        assert response.voxel.values.tolist() == [1, 5, 20]
        np.testing.assert_array_equal(
            response.values, layouts.bold_values(11, 20, 24)[2:-1, [1, 5, 20]]
        )
        assert response.attrs["space"] == "volume"

    def test_cifti_keeps_the_cortex(self, whole, layouts):
        response = load(whole, "fsLR").select("part1", "sub-01").responses()[0].compute()
        assert response.vertex.values.tolist() == [0, 4, 9, 3, 5]
        assert response.hemisphere.values.tolist() == ["left"] * 3 + ["right"] * 2
        np.testing.assert_array_equal(response.values, layouts.bold_values(11, 20, 9)[2:-1, :5])
        assert response.attrs["space"] == "fsLR-32k"


@pytest.fixture(scope="module")
def long(layouts, tmp_path_factory):
    """Runs long enough that the default confounds leave something of them."""
    root = tmp_path_factory.mktemp("bids") / "long"
    layouts.write_bids(root, n_trs=60)
    return root


@pytest.mark.parametrize("space", ["fsaverage5", MNI, "fsLR"])
def test_a_study_of_any_space_passes_the_test_kit(long, space):
    passed = check_study(lambda: ek.load_study("bids", root=long, task="story", space=space))
    assert len(passed) == len(STUDY_CHECKS)


class TestDescription:
    def test_it_is_what_the_data_set_says_of_itself(self, whole):
        assert load(whole, MNI).description == (
            "Two parts (licence CC0, doi 10.0000/two), preprocessed by fMRIPrep 23.1.3. Loaded "
            f"with task='story', space={MNI!r}, onset_tolerance=0.05, resample=False."
        )

    def test_what_is_not_said_is_not_made_up(self, broken):
        for folder in (broken, broken / "derivatives/fmriprep"):
            (folder / "dataset_description.json").unlink()
        assert load(broken, MNI).description == (
            "the data set in 'set' (licence not stated), preprocessed by fMRIPrep (version not "
            f"stated). Loaded with task='story', space={MNI!r}, onset_tolerance=0.05, "
            "resample=False."
        )

    def test_the_older_name_of_the_maker_is_read(self, broken, layouts):
        made = {"Name": "fMRIPrep", "Version": "1.5.0"}
        layouts.write_description(broken / "derivatives/fmriprep", PipelineDescription=made)
        assert "preprocessed by fMRIPrep 1.5.0." in load(broken, MNI).description

    @pytest.mark.parametrize(
        ("text", "message"), [("{", "is not JSON: "), ("[]", "holds a list, expected a JSON obj")]
    )
    def test_a_damaged_one_is_named(self, broken, text, message):
        (broken / "dataset_description.json").write_text(text)
        with pytest.raises(ValueError, match=f"dataset_description.json' {message}.*get it again"):
            load(broken, MNI)


def test_an_impulse_word_lands_in_the_row_computed_by_hand(whole):
    """The word begins at 7 s of sound; rows begin at 0, 1.5, ..., so it lies in row 4 (6 s)."""
    stimulus = load(whole, MNI).stimuli[0]
    rate = ek.WordRate(history=0, resample="sum").transform([stimulus])
    assert np.flatnonzero(rate.values[:, 0]).tolist() == [4]
    assert rate.sizes["time"] == stimulus.n_trs == 17


def test_confounds_are_taken_out_by_nilearns_strategy(whole):
    import pandas as pd

    study = load(whole, "fsaverage5", confounds=("high_pass", "wm_csf"), participants="01")
    response = study.responses()[0].compute()
    path = whole / "derivatives/fmriprep/sub-01/func/sub-01_task-story_run-1_desc-confounds"
    table = pd.read_csv(f"{path}_timeseries.tsv", sep="\t").iloc[2:-1]
    for name in ("csf", "white_matter", "cosine00"):
        r = np.corrcoef(table[name], response.values.T)[0, 1:]
        assert np.abs(r).max() < 1e-5


def test_the_time_that_a_sidecar_states_is_where_a_row_is_sampled(broken):
    func = broken / "derivatives/fmriprep/sub-01/func"
    for run in (1, 2):
        path = func / f"sub-01_task-story_run-{run}_space-{MNI}_desc-preproc_bold.json"
        path.write_text(json.dumps({"RepetitionTime": 1.5, "StartTime": 0.7}))
    assert load(broken, MNI).stimuli[0].offset == 0.7


def _func(root, name):
    return root / "derivatives/fmriprep/sub-01/func" / f"sub-01_task-story_{name}"


def _cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _sidecar(root, value):
    (root / "task-story_bold.json").write_text(value)


def _events(root, text):
    (root / "sub-01/func/sub-01_task-story_run-1_events.tsv").write_text(text)


HEAD = "onset\tduration\ttrial_type\tstim_file\n"
FAULTS = {
    "hemispheres mislabelled": (
        "fsaverage5", "relabel_hemisphere", "the hemispheres are mislabelled"),
    "a hemisphere lacks": (
        "fsaverage5",
        lambda r: _func(r, "run-1_hemi-R_space-fsaverage5_bold.func.gii").unlink(),
        "expected a file of hemi-L and one of hemi-R"),
    "gifti cut short": (
        "fsaverage5", lambda r: _cut(_func(r, "run-1_hemi-L_space-fsaverage5_bold.func.gii")),
        "was cut short: it lacks its end"),
    "no gifti": (
        "fsaverage5",
        lambda r: _func(r, "run-1_hemi-L_space-fsaverage5_bold.func.gii").write_text("x" * 2000),
        "does not begin as GIFTI does"),
    "other affine": (MNI, "move_grid", "run-2 has another grid than task-story_run-1.*affine"),
    "cifti cut short": (
        "fsLR", lambda r: _cut(_func(r, "run-1_space-fsLR_den-91k_bold.dtseries.nii"), 0.9),
        "cannot be read as an image .it has .* bytes, its header needs"),
    "no header": (
        MNI, lambda r: _cut(_func(r, f"run-1_space-{MNI}_desc-preproc_bold.nii.gz"), 0.01),
        "cannot be read"),
    "no mask": (
        MNI, lambda r: _func(r, f"run-1_space-{MNI}_desc-brain_mask.nii.gz").unlink(),
        "desc-brain_mask.nii.gz' is not there"),
    "sidecar that disagrees": (
        MNI, lambda r: _sidecar(r, '{"RepetitionTime": 2.0}'),
        "its sidecar says RepetitionTime 2 s but the header.*says 1.5 s"),
    "sidecar that is no JSON": (MNI, lambda r: _sidecar(r, "{"), "is not JSON"),
    "no sound named": (MNI, lambda r: _events(r, HEAD), "name 0 sounds"),
    "two sounds": (
        MNI, lambda r: _events(r, f"{HEAD}0\t5\ts\ta.wav\n5\t5\ts\tb.wav\n"),
        "name 2 sounds .a.wav, b.wav."),
    "a column lacks": (MNI, lambda r: _events(r, "onset\tduration\n0\t5\n"),
                       "unknown column 'stim_file'"),
    "an onset that is no number": (
        MNI, lambda r: _events(r, f"{HEAD}x\t5\ts\ta.wav\n"), "of a sound is no number"),
    "a sound after the scan": (
        MNI, lambda r: _events(r, f"{HEAD}90\t5\ts\tpart1_audio.wav\n"), "no TR is sampled betw"),
    "a scan that ends early": (
        MNI, lambda r: _events(r, f"{HEAD}3\t60\ts\tpart1_audio.wav\n"),
        "18 TRs cover 'part1_audio.wav', expected 40.*get the run again"),
    "no events": (
        MNI, lambda r: (r / "sub-01/func/sub-01_task-story_run-1_events.tsv").unlink(),
        "events.tsv' is not there"),
    "no sound": (MNI, lambda r: (r / "stimuli/part1_audio.wav").unlink(), "part1_audio.wav' is"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place(broken, layouts, fault):
    space, make, message = FAULTS[fault]
    (getattr(layouts, make) if isinstance(make, str) else make)(broken)
    with pytest.raises((ValueError, FileNotFoundError), match=f"(?s){message}"):
        load(broken, space)


def test_a_cut_volume_never_becomes_a_shorter_one(broken):
    _cut(_func(broken, f"run-1_space-{MNI}_desc-preproc_bold.nii.gz"), 0.8)
    study = load(broken, MNI)
    with pytest.raises(ValueError, match="desc-preproc_bold.nii.gz' cannot be read"):
        study.responses()[0].compute()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"task": "stroy"}, "unknown task 'stroy': did you mean 'story'"),
        ({"space": "fsaverage6"}, "unknown space 'fsaverage6': did you mean 'fsaverage5'"),
        ({"participants": "03"}, "unknown participant 'sub-03'"),
        ({"t_r": 2.0}, "t_r=2 s is stated but its files say 1.5 s"),
        ({"trial_type": "music"}, "unknown trial_type 'music'"),
        ({"segments": 3}, "segments=3 cuts one long run but .* has 2"),
    ],
)
def test_what_is_asked_wrongly_is_answered(whole, asked, message):
    given = {"root": whole, "task": "story", "space": MNI, "confounds": None, **asked}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ek.load_study("bids", **given)


class TestConfoundFaults:
    def test_no_confounds_are_named(self, broken):
        _func(broken, "run-1_desc-confounds_timeseries.tsv").unlink()
        with pytest.raises(FileNotFoundError, match="confounds_timeseries.tsv .*confounds=None"):
            load(broken, MNI, confounds=("motion",))

    def test_confounds_of_another_length_are_named(self, broken):
        path = _func(broken, "run-1_desc-confounds_timeseries.tsv")
        path.write_text("\n".join(path.read_text().split("\n")[:10]) + "\n")
        with pytest.raises(ValueError, match="the confounds have 9 rows but the run has 20 TRs"):
            load(broken, MNI, confounds=("motion",))


@pytest.fixture(scope="module")
def tunnel(layouts, tmp_path_factory):
    root = tmp_path_factory.mktemp("narratives")
    people = ["sub-004", "sub-005", "sub-006"]
    words = [("The", 0.4, 0.6), ("fox", 4.0, 4.3), ("lost", "", ""), ("ran", 10.0, 10.2)]
    layouts.write_narratives(root, "tunnel", people, n_trs=22, words=words)
    return root


class TestNarratives:
    def test_one_story_of_several_people_passes_the_test_kit(self, layouts, tmp_path):
        """21styear: 100 TRs, of which the default confounds leave something."""
        layouts.write_narratives(tmp_path, "21styear", ["sub-075", "sub-076"], n_trs=116,
                                 words=[("a", 30.0, 30.2), ("b", 31.0, 31.4)])  # fmt: skip
        asked = {"root": tmp_path, "task": "21styear"}
        assert len(check_study(lambda: ek.load_study("narratives", **asked))) == len(STUDY_CHECKS)
        cut = asked | {"segments": 3, "gap": 15.0, "confounds": None}
        assert len(check_study(lambda: ek.load_study("narratives", **cut))) == len(STUDY_CHECKS)

    def test_the_story_begins_where_its_sound_does(self, tunnel):
        """tunnel: no music, the sound begins at 3 s: TR 2. A word at 4.0 s lies in row 2 (3 s)."""
        study = ek.load_study("narratives", root=tunnel, task="tunnel")
        stimulus = study.stimuli[0]
        assert stimulus.t_r == 1.5
        assert stimulus.grid[0] == 0.0
        rate = ek.WordRate(history=0, resample="sum").transform([stimulus])
        assert np.flatnonzero(rate.values[:, 0]).tolist() == [0, 2, 6]

    def test_scans_that_the_authors_exclude_are_left_out(self, tunnel):
        study = ek.load_study("narratives", root=tunnel, task="tunnel", confounds=None)
        assert study.participants == ["sub-005", "sub-006"]
        assert "1 scans are left out" in study.describe()
        every = ek.load_study("narratives", root=tunnel, task="tunnel", excluded=True)
        assert len(every.participants) == 3

    def test_music_comes_before_some_stories(self, layouts, tmp_path):
        """pieman: the file begins with the scan, the story 15 s into it: row 0 is TR 10, 15 s."""
        people = ["sub-002", "sub-003"]
        layouts.write_narratives(tmp_path, "pieman", people, n_trs=28, words=[("a", 16.0, 16.2)],
                                 shifted=["sub-003"])  # fmt: skip
        study = ek.load_study("narratives", root=tmp_path, task="pieman", confounds=None)
        response = study.responses()[0].compute()
        assert response.seconds.values[0] == 15.0
        values = layouts.bold_values(ord("L"), 28, 5)
        mine = response.values[:, response.participant.values == "sub-002"]
        theirs = response.values[:, response.participant.values == "sub-003"]
        np.testing.assert_array_equal(mine[:, :5], values[10:26])
        np.testing.assert_array_equal(theirs[:, :5], values[6:22])

    def test_the_one_long_story_becomes_segments_with_a_purge(self, layouts, tmp_path):
        layouts.write_narratives(tmp_path, "21styear", ["sub-075"], n_trs=116,
                                 words=[("a", 30.0, 30.2)])  # fmt: skip
        study = ek.load_study("narratives", root=tmp_path, task="21styear", segments=3, gap=15.0)
        assert study.runs == [f"21styear/part-{k}" for k in (1, 2, 3)]
        grids = [stimulus.grid for stimulus in study.stimuli]
        assert all(later[0] - earlier[-1] > 15.0 for earlier, later in pairwise(grids))
        assert sum(len(grid) for grid in grids) == 100 - 2 * 10

    def test_faults_are_named(self, tunnel, layouts, tmp_path):
        from encodekit_adapters.narratives import read_gentle

        with pytest.raises(ValueError, match="unknown task 'tunel': did you mean 'tunnel'"):
            ek.load_study("narratives", root=tunnel, task="tunel")
        (tmp_path / "align.csv").write_text("a,a,1\n")
        with pytest.raises(ValueError, match="has 3 columns, expected gentle's four"):
            read_gentle(tmp_path / "align.csv")
        (tmp_path / "align.csv").write_text("a,a,1,2\nb,b,x,3\n")
        with pytest.raises(ValueError, match="row 2 has a time that is no number"):
            read_gentle(tmp_path / "align.csv")
        layouts.write_narratives(tmp_path / "set", "tunnel", ["sub-004"], n_trs=22)
        with pytest.raises(ValueError, match="all 1 scans of 'tunnel' here are excluded"):
            ek.load_study("narratives", root=tmp_path / "set", task="tunnel")
