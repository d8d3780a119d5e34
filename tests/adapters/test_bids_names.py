"""Which files are a run: every entity of a name takes part."""

import json
import shutil

import numpy as np
import pytest

import encodekit as ek

MNI = "MNI152NLin2009cAsym"


@pytest.fixture
def scan(layouts, tmp_path):
    """Write one scan below ``scan.root``."""

    def write(name, **given):
        return layouts.write_scan(write.root, name, **given)

    write.root = tmp_path / "set"
    write.layouts = layouts
    return write


def load(root, space="fsaverage5", **given):
    return ek.load_study("bids", root=root, task="story", space=space,
                         **{"confounds": None, **given})  # fmt: skip


def of(study, run):
    return study.select(run).responses()[0].values


DIFFERENT = ["acq-a acq-b", "dir-AP dir-PA", "ce-x ce-y", "run-1 run-2", "run-2 run-10",
             "acq-a_dir-AP acq-a_dir-PA", "mod-a mod-b", "acq-a_run-1 acq-a_run-2"]  # fmt: skip


@pytest.mark.parametrize("pair", DIFFERENT)
def test_scans_that_differ_in_any_entity_are_two_runs(scan, pair):
    values = [
        scan(f"sub-01_task-story_{entity}", seed=k, sound=f"{'ab'[k]}.wav")
        for k, entity in enumerate(pair.split())
    ]
    study = load(scan.root)
    assert study.runs == ["a", "b"]
    for run, expected in zip("ab", values, strict=True):
        np.testing.assert_array_equal(of(study, run), expected)


@pytest.mark.parametrize("pair", DIFFERENT[:5])
def test_entities_choose_among_runs(scan, pair):
    """The chosen scan is the only one, so its sound is heard once."""
    first, second = pair.split()
    scan(f"sub-01_task-story_{first}", seed=1)
    values = scan(f"sub-01_task-story_{second}", seed=2)
    key, value = second.split("-")
    study = load(scan.root, entities={key: value})
    np.testing.assert_array_equal(of(study, "a"), values)


@pytest.mark.parametrize(
    ("variants", "chosen"),
    [
        (("_res-1", "_res-2"), {"res": "2"}),
        (("_cohort-1", "_cohort-2"), {"cohort": 2}),
        (("", "_res-native"), {"res": "native"}),
        (("_res-1_den-2", "_res-1"), {"den": None}),
    ],
)
def test_derivatives_of_one_scan_compete(scan, variants, chosen):
    for k, more in enumerate(variants):
        values = scan("sub-01_task-story", space=MNI, more=more, seed=2 * k)
    with pytest.raises(
        ValueError, match="2 files compete for one run .*choose by entities="
    ) as told:
        load(scan.root, MNI)
    (key,) = chosen
    assert f"'{key}': " in str(told.value)
    assert all(f"{MNI}{more}_desc" in str(told.value) for more in variants)
    study = load(scan.root, MNI, entities=chosen)
    np.testing.assert_array_equal(of(study, "a"), values)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("_echo-1", "_echo-2"), {"echo": 2}),
        (("_part-phase", "_part-mag"), {"part": "mag"}),
        (("_rec-raw", "_rec-moco"), {"rec": "moco"}),
        (("_echo-1", ""), {"echo": None}),
        (("_run-1_echo-1", "_run-1_echo-2"), {"echo": ["2"]}),
        (("_echo-1_part-mag", "_echo-2_part-phase"), {"part": "phase", "echo": "2"}),
    ],
)
@pytest.mark.parametrize("space", ["fsaverage5", MNI])
def test_images_of_one_acquisition_compete(scan, names, chosen, space):
    for k, name in enumerate(names):
        values = scan(f"sub-01_task-story{name}", space=space, seed=2 * k, events=False)
    scan.layouts.write_events(scan.root / "task-story_events.tsv", [(0.0, 80.0, "x", "a.wav")])
    with pytest.raises(ValueError, match="files compete for one run"):
        load(scan.root, space)
    np.testing.assert_array_equal(of(load(scan.root, space, entities=chosen), "a"), values)


def test_who_has_one_echo_is_not_lost_by_the_choice_of_an_echo(scan):
    """sub-01 was scanned with two echoes, sub-02 with one that its name does not say."""
    values = [scan(f"sub-01_task-story_echo-{k}", seed=k, events=False) for k in (1, 2)]
    plain = scan("sub-02_task-story", seed=7, events=False)
    scan.layouts.write_events(scan.root / "task-story_events.tsv", [(0.0, 80.0, "x", "a.wav")])
    study = load(scan.root, entities={"echo": 2})
    assert study.participants == ["sub-01", "sub-02"]
    (run,) = study.responses()
    np.testing.assert_array_equal(run.values, np.concatenate([values[1], plain], axis=1))


def test_who_has_nothing_of_the_choice_is_named(scan):
    scan("sub-01_task-story_acq-a", seed=1)
    scan("sub-02_task-story_acq-b", seed=2)
    with pytest.warns(UserWarning, match="leaves no run of sub-02: the study is without them"):
        assert load(scan.root, entities={"acq": "a"}).participants == ["sub-01"]


def test_densities_of_grayordinates_are_told_apart(layouts, tmp_path):
    layouts.write_bids(tmp_path, people=("01",))
    func = tmp_path / "derivatives/fmriprep/sub-01/func"
    for path in list(func.glob("*den-91k*")):
        shutil.copy(path, path.with_name(path.name.replace("91k", "170k")))
    with pytest.raises(ValueError, match="entities={'den': '170k'} or entities={'den': '91k'}"):
        load(tmp_path, "fsLR")
    spaces = {den: load(tmp_path, "fsLR", entities={"den": den}).responses()[0].attrs["space"]
              for den in ("91k", "170k")}  # fmt: skip
    assert spaces == {"91k": "fsLR-32k", "170k": "fsLR-59k"}


def test_variants_of_people_who_are_not_asked_for_do_not_matter(scan):
    values = scan("sub-01_task-story", space=MNI)
    for res in (1, 2):
        scan("sub-02_task-story", space=MNI, more=f"_res-{res}")
    study = load(scan.root, MNI, participants="01")
    np.testing.assert_array_equal(of(study, "a"), values)
    with pytest.raises(ValueError, match="sub-02: 2 files compete"):
        load(scan.root, MNI)


def test_two_files_of_one_name_are_told(scan):
    scan("sub-01_task-story", space=MNI)
    func = scan.root / "derivatives/fmriprep/sub-01/func"
    (path,) = func.glob("*preproc_bold.nii.gz")
    shutil.copy(path, path.with_name(path.name.removesuffix(".gz")))
    with pytest.raises(ValueError, match="they say the same of themselves; remove all but one"):
        load(scan.root, MNI)


def test_pieces_of_a_run_are_refused(scan):
    for k in (1, 2):
        scan(f"sub-01_task-story_split-{k}", seed=k)
    with pytest.raises(ValueError, match="pieces of runs by their entity split .*concat_imgs"):
        load(scan.root)
    with pytest.raises(ValueError, match="pieces of runs"):
        load(scan.root, entities={"split": 1})


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ({"acqu": "a"}, "unknown entity 'acqu': did you mean 'acq'"),
        ({"acq": "c"}, "entities={'acq': 'c'}: unknown acq 'c': known: 'a', 'b'"),
        ({"acq": ["a", "z"]}, "unknown acq 'z'"),
        ({"task": "story"}, r"entities={'task': ...}: say it by task="),
        ({"sub": "01"}, "say it by participants="),
        ({"acq": "a", "dir": "PA"}, "no run has all of entities="),
    ],
)
def test_what_entities_cannot_choose_is_told(scan, entities, message):
    scan("sub-01_task-story_acq-a_dir-AP")
    scan("sub-01_task-story_acq-b_dir-PA")
    with pytest.raises(ValueError, match=message):
        load(scan.root, entities=entities)
    with pytest.raises(TypeError, match="entities is a str, expected {'res': '2'}"):
        load(scan.root, entities="acq-a")


STRAYS = ["._{}", ".{}", "{}~", "{}.bak", "Copy of {}", "{}.tmp", "_{}"]


@pytest.mark.parametrize("stray", STRAYS)
@pytest.mark.parametrize("space", ["fsaverage5", MNI])
def test_files_that_are_no_data_are_skipped(scan, stray, space):
    values = scan("sub-01_task-story", space=space)
    func = scan.root / "derivatives/fmriprep/sub-01/func"
    others = [func, scan.root / "sub-01/func"]
    for path in [path for folder in others for path in folder.iterdir()]:
        path.with_name(stray.format(path.name)).write_bytes(b"\0\x05\x16\x07")
        (path.parent / ".DS_Store").write_bytes(b"\0")
    study = load(scan.root, space, confounds=("motion",) if space == MNI else None)
    assert study.runs == ["a"]
    if space != MNI:
        np.testing.assert_array_equal(of(study, "a"), values)


@pytest.mark.parametrize("name", ["sub-01_task-story (1)", "sub-01_task-story_run-1_run-2",
                                  "sub-01_task-story_ses-2020-01-01"])  # fmt: skip
def test_names_that_bids_does_not_allow_are_told_where_nothing_else_is_there(scan, name):
    scan(name)
    with pytest.raises(FileNotFoundError, match="names that BIDS does not allow .*bold.func.gii"):
        load(scan.root)


class TestInheritance:
    def write(self, scan, places):
        """Write events at ``places``; the duration says which was read: 10 TRs, 11 TRs, ..."""
        for k, place in enumerate(places):
            events = [(0.0, 20.0 + 2 * k, "story", "a.wav")]
            scan.layouts.write_events(scan.root / place, events)

    @pytest.mark.parametrize(
        ("places", "n_trs"),
        [
            (["task-story_events.tsv"], 10),
            (["task-story_events.tsv", "task-story_acq-a_events.tsv"], 11),
            (["task-story_acq-b_events.tsv", "task-story_events.tsv"], 11),
            (["task-story_acq-a_events.tsv", "sub-01/sub-01_task-story_events.tsv"], 11),
            (["sub-01/func/sub-01_task-story_acq-a_events.tsv",
              "sub-01/func/sub-01_task-story_events.tsv"], 10),
            (["task-story_events.tsv", "sub-01/func/sub-01_task-story_acq-a_run-1_events.tsv"], 11),
            (["task-story_run-01_events.tsv", "task-story_run-2_events.tsv"], 10),
        ],
    )  # fmt: skip
    def test_the_nearest_events_hold(self, scan, places, n_trs):
        scan("sub-01_task-story_acq-a_run-1", events=False)
        self.write(scan, places)
        assert load(scan.root).stimuli[0].n_trs == n_trs

    def test_events_of_a_session(self, scan):
        scan("sub-01_ses-2_task-story", events=False)
        func = scan.root / "derivatives/fmriprep/sub-01"
        (func / "ses-2").mkdir()
        (func / "func").rename(func / "ses-2/func")
        self.write(
            scan, ["task-story_events.tsv", "sub-01/ses-2/sub-01_ses-2_task-story_events.tsv"]
        )
        assert load(scan.root).stimuli[0].n_trs == 11

    def test_events_that_hold_alike_are_refused(self, scan):
        scan("sub-01_task-story_acq-a_run-1", events=False)
        self.write(scan, ["task-story_acq-a_events.tsv", "task-story_run-1_events.tsv"])
        with pytest.raises(ValueError, match="2 events files hold for it alike"):
            load(scan.root)

    def test_events_of_another_acquisition_do_not_hold(self, scan):
        scan("sub-01_task-story_acq-a", events=False)
        self.write(scan, ["task-story_acq-b_events.tsv"])
        with pytest.raises(FileNotFoundError, match="events.tsv' is not there"):
            load(scan.root)

    @pytest.mark.parametrize(
        ("place", "holds"),
        [
            ("task-story_bold.json", True),
            ("task-story_acq-a_bold.json", True),
            ("task-story_acq-b_bold.json", False),
            ("sub-01/func/sub-01_task-story_acq-a_bold.json", True),
            ("derivatives/fmriprep/sub-01/func/sub-01_task-story_acq-a_desc-preproc_bold.json",
             True),
        ],
    )  # fmt: skip
    def test_sidecars_hold_by_their_entities(self, scan, place, holds):
        scan("sub-01_task-story_acq-a", space=MNI)
        path = scan.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"RepetitionTime": 2.0, "StartTime": 0.5}))
        assert load(scan.root, MNI).stimuli[0].offset == (0.5 if holds else 1.0)

    def test_sidecars_that_are_equally_near_must_agree(self, scan):
        scan("sub-01_task-story_acq-a_run-1", space=MNI)
        for name, seconds in (("acq-a", 0.5), ("run-1", 0.7)):
            path = scan.root / f"task-story_{name}_bold.json"
            path.write_text(json.dumps({"StartTime": seconds}))
        with pytest.raises(ValueError, match=r"StartTime is 0.5 in .* but 0.7 in .*as near"):
            load(scan.root, MNI)

    def test_the_mask_of_all_echoes_holds_for_each(self, scan):
        values = scan("sub-01_task-story_echo-2", space=MNI)
        func = scan.root / "derivatives/fmriprep/sub-01/func"
        (mask,) = func.glob("*brain_mask*")
        mask.rename(mask.with_name(mask.name.replace("_echo-2", "")))
        np.testing.assert_array_equal(of(load(scan.root, MNI), "a"), values)


@pytest.mark.parametrize(
    "folder",
    ["x_desc-v2_space-fsaverage5_", "sub-99_task-rest_bold", "a_hemi-L_", "run-7_desc-preproc_bold",
     "tsv_of_json", "with space"],
)  # fmt: skip
def test_names_of_folders_above_do_not_count(scan, folder, tmp_path):
    scan.root = tmp_path / folder / "set_acq-z"
    scan("sub-01_task-story_acq-a")
    named = load(scan.root, confounds={"strategy": ["motion"]}).responses()[0].values
    scan.root = tmp_path / "plain"
    scan("sub-01_task-story_acq-a")
    plain = load(scan.root, confounds={"strategy": ["motion"]}).responses()[0].values
    np.testing.assert_array_equal(named, plain)
