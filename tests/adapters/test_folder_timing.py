"""Scans that began before or after their sound, ended early, or are described by the wrong sign."""

import re
from pathlib import Path

import numpy as np
import pytest

import encodekit as ek
from encodekit_adapters.folder import check_folder


@pytest.fixture
def lab(load_module):
    return load_module(Path(__file__).with_name("lab_folder.py"))


def assert_aligned(study):
    """Every value that is there is the time of its row, which the arrays were made of."""
    for run in study.responses():
        off = run.values - run.seconds.values[:, None]
        assert np.nanmax(np.abs(off)) < 0.01
        assert np.isfinite(off).any(axis=0).all()


# (start of the scan in the sound, rows, fields of the stimulus, TRs kept and their first onset)
SCANS = {
    "before the sound": (-6.0, 40, {"scan_starts": -6}, 30, 0.0),
    "by the rows that count": (-6.0, 40, {"rows": [3, 33]}, 30, 0.0),
    "rows and a start": (-6.0, 40, {"scan_starts": -6, "rows": [5, 20]}, 15, 4.0),
    "between two TRs": (-5.0, 40, {"scan_starts": -5}, 31, -1.0),
    "late": (6.0, 27, {"scan_starts": 6}, 27, 6.0),
    "late and beyond the end": (6.0, 29, {"scan_starts": 6}, 27, 6.0),
    "late, with as many rows as others": (2.0, 30, {"scan_starts": 2}, 29, 2.0),
    "later, with as many rows as others": (10.0, 30, {"scan_starts": 10}, 25, 10.0),
    "the older name": (-6.0, 33, {"first_onset": -6.0}, 30, 0.0),
    "onsets of each row": (-6.0, 33, {"tr_times": [2.0 * k - 6 for k in range(33)]}, 30, 0.0),
    "onsets of the rows that count": (
        -6.0, 40, {"rows": [3, 33], "tr_times": [2.0 * k for k in range(30)]}, 30, 0.0),
    "late and long after, as rows say": (6.0, 60, {"scan_starts": 6, "rows": [0, 27]}, 27, 6.0),
    "a small start": (0.5, 33, {"scan_starts": 0.5}, 30, 0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", SCANS)
def test_the_rows_in_the_sound_are_kept_at_their_times(lab, tmp_path, name):
    start, n_rows, fields, n_kept, first = SCANS[name]
    root = lab.write_lab(tmp_path / "lab", {"a": 60.0}, {"P1": {"a": lab.times(start, n_rows)}},
                         stimuli={"a": fields})  # fmt: skip
    study = ek.load_study(root)
    assert_aligned(study)
    (run,) = study.responses()
    assert (run.sizes["time"], float(run.seconds[0])) == (n_kept, first)
    assert run.tr.values.tolist() == list(range(n_kept))
    assert check_folder(root) == []


def test_what_was_cut_is_counted(lab, tmp_path):
    arrays = {p: {"a": lab.times(-6, n)} for p, n in (("P1", 38), ("P2", 38), ("P3", 33))}
    root = lab.write_lab(tmp_path / "lab", {"a": 60.0}, arrays, stimuli={"a": {"scan_starts": -6}})
    told = ek.load_study(root).describe()
    assert (
        "run 'a', P1, P2: 3 rows before the sound and 5 after its end are left out, of 38" in told
    )
    assert "run 'a', P3: 3 rows before the sound and 0 after its end are left out, of 33" in told


class TestPeople:
    """People of one run whose scans began or ended at other times."""

    def write(self, lab, tmp_path, scans, **fields):
        arrays = {
            person: {"a": (lab.times(start, n), entry)}
            for person, (start, n, entry) in scans.items()
        }
        return lab.write_lab(tmp_path / "lab", {"a": 60.0}, arrays, stimuli={"a": fields})

    def test_each_lies_at_the_trs_that_were_scanned(self, lab, tmp_path):
        scans = {
            "whole": (-6, 33, {}),
            "cut": (-6, 20, {}),
            "late": (8, 26, {"scan_starts": 8}),
            "rows": (-6, 40, {"rows": [3, 33]}),
            "both": (-2, 20, {"scan_starts": -2, "rows": [4, 18]}),
        }
        study = ek.load_study(self.write(lab, tmp_path, scans, scan_starts=-6))
        assert_aligned(study)
        (run,) = study.responses()
        there = {
            person: np.flatnonzero(np.isfinite(run.values[:, run.participant == person][:, 0]))
            for person in scans
        }
        expected = {
            "whole": (0, 29),
            "cut": (0, 16),
            "late": (4, 29),
            "rows": (0, 29),
            "both": (3, 16),
        }
        assert {p: (trs[0], trs[-1]) for p, trs in there.items()} == expected
        assert {p: trs.size for p, trs in there.items()} == {
            p: last - first + 1 for p, (first, last) in expected.items()
        }
        assert "run 'a', late: has TRs 4 to 29 of 0 to 29" in study.describe()

    def test_nobody_began_with_the_sound(self, lab, tmp_path):
        scans = {"P1": (4, 20, {"scan_starts": 4}), "P2": (8, 26, {"scan_starts": 8})}
        study = ek.load_study(self.write(lab, tmp_path, scans))
        assert_aligned(study)
        assert study.responses()[0].seconds.values[[0, -1]].tolist() == [4.0, 58.0]

    def test_milliseconds_are_taken_for_one_tr_and_told(self, lab, tmp_path):
        scans = {"P1": (0, 30, {}), "P2": (0.013, 30, {"scan_starts": 0.013})}
        study = ek.load_study(self.write(lab, tmp_path, scans, scan_starts=0))
        assert study.responses()[0].sizes["time"] == 30
        assert "P2: began +13 ms from the TR that it is taken for" in study.describe()

    def test_half_a_tr_is_no_tr_and_is_a_run_of_its_own(self, lab, tmp_path):
        scans = {"P1": (0, 30, {}), "P2": (1, 29, {"scan_starts": 1})}
        root = self.write(lab, tmp_path, scans, scan_starts=0)
        with pytest.raises(ValueError, match=r"P2.responses.a: row 0 is at 1 s.*1 s from the nea"):
            ek.load_study(root)
        told = lab.described(root)
        told["stimuli"]["a-P2"] = {"heard": "a", "audio": "a.wav", "scan_starts": 1}
        told["participants"]["P2"]["responses"] = {"a-P2": "P2_a.npy"}
        lab.rewrite(root, told)
        study = ek.load_study(root)
        assert_aligned(study.select(participants="P2", stimuli=["a-P2"]))
        assert {stimulus.name for stimulus in study.stimuli} == {"a"}

    def test_a_missing_run_is_left_out_for_its_participant(self, lab, tmp_path):
        arrays = {
            "P1": {"a": lab.times(0, 30), "b": lab.times(0, 20)},
            "P2": {"b": lab.times(0, 18)},
        }
        start = {"scan_starts": 0}
        root = lab.write_lab(tmp_path / "lab", {"a": 60.0, "b": 40.0, "c": 50.0}, arrays,
                             stimuli={"a": start, "b": start, "c": start})  # fmt: skip
        study = ek.load_study(root)
        a, b = study.responses()
        assert np.isnan(a.values[:, 3:]).all()
        assert np.isfinite(b.values[:18, 3:]).all()
        assert "nobody has a response to 'c': left out" in study.describe()
        alone = ek.load_study(root, participants="P2")
        assert alone.runs == ["b"]

    def test_repeats_are_cut_alike(self, lab, tmp_path):
        root = self.write(lab, tmp_path, {"P1": (-6, 33, {})}, scan_starts=-6)
        np.save(root / "again.npy", lab.times(-6, 33) + 10)
        told = lab.described(root)
        told["participants"]["P1"]["responses"]["a"] = ["P1_a.npy", "again.npy"]
        lab.rewrite(root, told)
        study = ek.load_study(root)
        repeats = study.repeats()
        np.testing.assert_allclose(repeats.values[1] - repeats.values[0], 10, atol=1e-5)
        np.testing.assert_allclose(repeats.values[0][:, 0], study.stimuli[0].grid, atol=1e-5)


class TestWrongSign:
    """A response to words, planted at lag 0, is found at lag 0 once the message is obeyed."""

    def lags(self, study):
        rate = ek.WordRate(history=0, resample="sum").transform(study.stimuli).values[:, 0]
        heard = study.responses()[0].values[:, 0]
        n = len(rate) - 8
        return {
            k: float(np.corrcoef(rate[max(0, -k) :][:n], heard[max(0, k) :][:n])[0, 1])
            for k in range(-8, 9)
        }

    @pytest.mark.parametrize(
        ("before", "tail", "field"),
        [(6.0, 0, "first_onset"), (6.0, 0, "scan_starts"), (12.0, 5, "scan_starts"),
         (2.0, 0, "scan_starts"), (10.0, 30, "first_onset"), (6.0, 1, "scan_starts")],
    )  # fmt: skip
    def test_the_message_says_what_to_write(self, lab, tmp_path, before, tail, field):
        rng = np.random.default_rng(0)
        onsets = np.sort(rng.uniform(0, 119, 200))
        n_rows = int(before / 2) + 60 + tail
        edges = -before + 2.0 * np.arange(n_rows + 1)
        counts = np.histogram(onsets, edges)[0].astype(float)
        array = counts[:, None] + 0.1 * rng.standard_normal((n_rows, 3))
        root = lab.write_lab(tmp_path / "lab", {"a": 120.0}, {"P1": {"a": array}},
                             stimuli={"a": {field: before, "words": "a.csv"}})  # fmt: skip
        rows = "".join(f"w,{onset},0.1\n" for onset in onsets)
        (root / "a.csv").write_text("word,onset,duration\n" + rows)
        with pytest.raises(ValueError, match=r"stimuli.a: row 0 is said to be .* after") as told:
            ek.load_study(root)
        asked = float(
            re.search(r"With scan_starts: (-?[\d.]+) the scan covers", str(told.value))[1]
        )
        content = lab.described(root)
        del content["stimuli"]["a"][field]
        content["stimuli"]["a"]["scan_starts"] = asked
        lab.rewrite(root, content)
        found = self.lags(ek.load_study(root))
        assert max(found, key=found.get) == 0
        assert found[0] > 0.9
        assert sorted(found.values())[-2] < 0.5

    def test_a_scan_that_did_begin_late_is_kept_by_the_other_advice(self, lab, tmp_path):
        root = lab.write_lab(tmp_path / "lab", {"a": 60.0}, {"P1": {"a": lab.times(6, 36)}},
                             stimuli={"a": {"scan_starts": 6}})  # fmt: skip
        with pytest.raises(ValueError, match=r"write scan_starts: 6 with rows: \[0, 27\]"):
            ek.load_study(root)
        content = lab.described(root)
        content["stimuli"]["a"]["rows"] = [0, 27]
        lab.rewrite(root, content)
        assert_aligned(ek.load_study(root))

    def test_a_late_scan_that_is_said_to_be_early_is_told(self, lab, tmp_path):
        root = lab.write_lab(tmp_path / "lab", {"a": 60.0}, {"P1": {"a": lab.times(6, 27)}},
                             stimuli={"a": {"scan_starts": -6}})  # fmt: skip
        assert "write scan_starts: 6 if it did" in ek.load_study(root).describe()

    def test_a_participants_own_sign_is_looked_at_too(self, lab, tmp_path):
        arrays = {
            "P1": {"a": lab.times(0, 30)},
            "P2": {"a": (lab.times(-8, 34), {"scan_starts": 8})},
        }
        root = lab.write_lab(
            tmp_path / "lab", {"a": 60.0}, arrays, stimuli={"a": {"scan_starts": 0}}
        )
        with pytest.raises(ValueError, match=r"P2.responses.a: row 0 .* scan_starts: -8 the scan"):
            ek.load_study(root)


FAULTS = {
    "nothing is said": ({}, {}, r"stimuli.a: say when its scan began: scan_starts, the time in"),
    "two starts": ({"scan_starts": 0, "first_onset": 0}, {}, "give one of scan_starts and first_o"),
    "a start and onsets": ({"scan_starts": 0, "tr_times": [0]}, {}, "scan_starts and tr_times"),
    "an old start and rows": ({"first_onset": 0, "rows": [0, 3]}, {}, "first_onset beside rows"),
    "rows the wrong way": ({"rows": [9, 3]}, {}, "rows are the first row that counts"),
    "three rows": ({"rows": [0, 3, 6]}, {}, "a.rows: List should have at most 2"),
    "rows beyond the file": (
        {"rows": [3, 90]}, {},
        r"rows are \[3, 90\] but the file of P1 has 30 rows: write rows: \[3, 30\]"),
    "own rows, and a start of the run": (
        {"scan_starts": -6}, {"rows": [5, 30]},
        "P1.responses.a: has rows of its own.*first is at 4 s.*, -6 if that is so, or -10 if it"),
    "milliseconds": ({"scan_starts": -6000}, {}, "0 of 30 rows lie in the sound.*milliseconds"),
    "onsets in milliseconds": ({"tr_times": [2000 * k for k in range(30)]}, {},
                               "1 of 30 rows lie in the sound.*milliseconds"),
    "more rows than onsets": (
        {"tr_times": [2 * k for k in range(28)]}, {},
        r"file of P1 has 30 rows but tr_times has 28: .* such as rows: \[2, 30\]"),
    "a field that there is not": (
        {"scan_starts": 0}, {"first_onset": 3},
        "lab': study.json: participants.P1.responses.a.first_onset: unknown field"),
    "another sound": ({"scan_starts": 110}, {}, "0 of 30 rows lie in the sound .within 0 to 60 s"),
    "text": ({"scan_starts": "6 s"}, {}, "stimuli.a.scan_starts: Input should be a valid number"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_is_refused_with_its_remedy(lab, tmp_path, fault):
    fields, entry, message = FAULTS[fault]
    root = lab.write_lab(tmp_path / "lab", {"a": 60.0}, {"P1": {"a": (lab.times(0, 30), entry)}},
                         stimuli={"a": fields})  # fmt: skip
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ek.load_study(root)


def test_without_a_sound_rows_before_it_are_cut_alone(lab, tmp_path):
    root = lab.write_lab(tmp_path / "lab", {"a": None}, {"P1": {"a": lab.times(-4, 50)}},
                         stimuli={"a": {"scan_starts": -4}})  # fmt: skip
    study = ek.load_study(root)
    assert_aligned(study)
    assert study.responses()[0].sizes["time"] == 48


def test_other_trs_and_sampling_offsets_are_cut_at_the_sampled_time(lab, tmp_path):
    """At offset 0 a row counts from its onset: 0 to 45 s are 31 rows of 1.5 s, both ends in."""
    arrays = {"P1": {"a": lab.times(-4.5, 50, t_r=1.5)}}
    given = {"stimuli": {"a": {"scan_starts": -4.5}}, "t_r": 1.5, "sample_offset": 0.0}
    root = lab.write_lab(tmp_path / "lab", {"a": 45.0}, arrays, **given)
    study = ek.load_study(root)
    assert_aligned(study)
    assert study.responses()[0].sizes["time"] == 31
