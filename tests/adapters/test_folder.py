import json

import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit.cli import main
from encodekit.testing import check_study
from encodekit.testing._studies import STUDY_CHECKS
from encodekit_adapters.folder import check_folder

N_TRS = {"one": 12, "two": 9}


@pytest.fixture
def described():
    return {
        "encodekit_study": 1,
        "name": "mine",
        "t_r": 2.0,
        "targets": {"region": ["A1", "STSda", "STSda"]},
        "stimuli": {
            "one": {"audio": "one.wav", "words": {"file": "one.TextGrid", "tier": "word"},
                    "first_onset": 0.0},
            "two": {"words": "two.csv", "tr_times": [4.0 + 2 * k for k in range(9)]},
        },
        "participants": {
            "P1": {"responses": {"one": "P1_one.npy", "two": "P1_two.npy"},
                   "confounds": {"one": "motion.tsv"}},
            "P2": {"responses": {"one": [{"file": "P2.npz", "key": "a"},
                                         {"file": "P2.npz", "key": "b"}],
                                 "two": {"file": "P2.h5", "key": "runs", "index": 1}}},
        },
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path, layouts, described):
    """A whole study of two participants and two runs, in every kind of file."""
    rng = np.random.default_rng(0)
    layouts.write_wav(tmp_path / "one.wav", 30 * 1000)
    words = layouts.silence_between([(3.5, 0.25, "fox")], 30.0)
    (tmp_path / "one.TextGrid").write_text(layouts.textgrid({"word": words}, 30.0))
    (tmp_path / "two.csv").write_text("word,onset,duration\nNA,5.0,0.2\nfox,6.5,0.1\n")
    for run, n in N_TRS.items():
        np.save(tmp_path / f"P1_{run}.npy", rng.standard_normal((n, 3)))
    two = {key: rng.standard_normal((12, 3)) for key in "ab"}
    np.savez(tmp_path / "P2.npz", **two)
    layouts.write_hf5(tmp_path / "P2.h5", runs=rng.standard_normal((2, 9, 3)))
    table = pd.DataFrame({"x": np.arange(12.0)})
    table.to_csv(tmp_path / "motion.tsv", sep="\t", index=False)
    (tmp_path / "study.json").write_text(json.dumps(described))
    return tmp_path


class TestWhole:
    def test_every_kind_of_file_is_read(self, folder):
        study = ek.load_study("folder", root=folder)
        one, two = study.responses()
        np.testing.assert_allclose(one.values[:, :3], np.load(folder / "P1_one.npy"), rtol=1e-6)
        with np.load(folder / "P2.npz") as arrays:
            mean = (arrays["a"] + arrays["b"]) / 2
        np.testing.assert_allclose(one.values[:, 3:], mean, atol=1e-6)
        assert two.seconds.values[0] == 4.0
        assert one.region.values.tolist() == ["A1", "STSda", "STSda"] * 2
        assert study.repeats().sizes["repeat"] == 2

    def test_a_word_called_na_is_a_word(self, folder):
        words = ek.load_study("folder", root=folder).stimuli[1].words
        assert words["word"].tolist() == ["NA", "fox"]

    def test_an_impulse_word_lands_in_the_row_computed_by_hand(self, folder):
        """Run one: 3.5 s lies in TR 1 (2 to 4 s). Run two: 6.5 s lies in row 1 (6 to 8 s)."""
        stimuli = ek.load_study("folder", root=folder).stimuli
        rate = ek.WordRate(history=0, resample="sum").transform(stimuli)
        assert np.flatnonzero(rate.values[rate.run.values == "one", 0]).tolist() == [1]
        assert np.flatnonzero(rate.values[rate.run.values == "two", 0]).tolist() == [0, 1]

    def test_confounds_are_taken_out(self, folder):
        study = ek.load_study("folder", root=folder, participants="P1")
        cleaned = study.clean(ek.ConfoundRemover(n_cosines=0)).responses()[0].values
        assert np.abs(np.corrcoef(np.arange(12), cleaned[:, 0])[0, 1]) < 1e-6

    def test_check_says_that_it_is_whole(self, folder, capsys):
        with pytest.raises(SystemExit) as ended:
            main(["data", "check", str(folder)])
        assert ended.value.code in (0, None)
        assert "a whole study" in capsys.readouterr().out


def test_every_problem_comes_in_one_message(folder, described, capsys):
    described["t_r"] = -2
    described["colour"] = "red"
    described["stimuli"]["two"]["scan_starts"] = 4
    (folder / "study.json").write_text(json.dumps(described))
    problems = "\n".join(check_folder(folder))
    for told in ("t_r: Input should be greater than 0 (got -2)", "colour: unknown field",
                 "stimuli.two: give one of scan_starts and tr_times"):  # fmt: skip
        assert told in problems
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", str(folder)])
    assert ended.value.code == 2
    assert "has 3 problems" in capsys.readouterr().err


def _truncate(path):
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 8])


FAULTS = {
    "array cut short": (lambda f: _truncate(f / "P1_one.npy"), "P1_one.npy.*was cut short"),
    "archive cut short": (lambda f: _truncate(f / "P2.npz"), "P2.npz.*was cut short"),
    "hdf5 cut short": (lambda f: _truncate(f / "P2.h5"), "P2.h5.*cannot be read as HDF5"),
    "sound cut short": (lambda f: _truncate(f / "one.wav"), "one.wav.*truncated: its header"),
    "TextGrid cut short": (
        lambda f: _truncate(f / "one.TextGrid"), "one.TextGrid.*was cut short"),
    "no description": (lambda f: (f / "study.json").unlink(), "study.json is not there"),
    "description not JSON": (
        lambda f: (f / "study.json").write_text("{"), "study.json.* is not JSON: line 1"),
    "a lacking file": (lambda f: (f / "P1_two.npy").unlink(), "P1.responses.two.*is not there"),
    "a pointer": (
        lambda f: (f / "P1_two.npy").write_text("/annex/objects/MD5E-s9--0.npy\n"),
        "is not downloaded: it is a git-annex pointer.*datalad get"),
    "TRs that differ": (
        lambda f: np.save(f / "P1_two.npy", np.zeros((10, 3))),
        "stimuli.two: the file of P1 has 10 rows but tr_times has 9: .* such as rows: .1, 10."),
    "targets that differ": (
        lambda f: np.save(f / "P1_two.npy", np.zeros((9, 4))),
        "P1.responses.two: has 4 targets but run 'one' has 3"),
    "words without a time": (
        lambda f: (f / "two.csv").write_text("word,onset,duration\nfox,,0.1\n"),
        "column .onset.: 1 rows have no number, the first is row 1"),
    "words in Latin-1": (
        lambda f: (f / "two.csv").write_bytes("word,onset,duration\nfür,5,0.1\n".encode("latin-1")),
        "two.csv.*is not UTF-8 .byte 21.*iconv"),
    "a column that lacks": (
        lambda f: (f / "two.csv").write_text("word,begin,duration\nfox,5,0.1\n"),
        "unknown column 'onset'"),
    "an empty table": (lambda f: (f / "two.csv").write_text(""), "is empty: give it a header"),
    "a strange file": (
        lambda f: _edit(f, "P1_one.npy", "study.json"),
        "unknown ending '.json'"),
    "an array that is no array": (
        lambda f: np.save(f / "P1_one.npy", np.zeros(12)), "has shape .12,., expected .TR, target"),
    "a key that lacks": (
        lambda f: _edit(f, '"key": "b"', '"key": "c"'), "unknown array 'c'"),
    "no key": (
        lambda f: _edit(f, '{"file": "P2.npz", "key": "a"}', '{"file": "P2.npz"}'),
        "holds arrays by name: say which one"),
    "an index outside": (lambda f: _edit(f, '"index": 1', '"index": 5'), "index 5 but the first"),
    "repeats that differ": (
        lambda f: np.savez(f / "P2.npz", a=np.zeros((12, 3)), b=np.zeros((11, 3))),
        "its repeats have the shapes"),
    "an unknown run": (
        lambda f: _edit(f, '"two": "P1_two.npy"', '"too": "P1_two.npy"'),
        "unknown run 'too': did you mean 'two'.*under stimuli"),
    "numbers as text": (
        lambda f: np.save(f / "P1_one.npy", np.full((12, 3), "x")), "P1_one.npy"),
    "confounds of other length": (
        lambda f: (f / "motion.tsv").write_text("x\n1\n2\n"), "a table has 2 rows"),
    "TRs outside the sound": (
        lambda f: _edit(f, '"first_onset": 0.0', '"first_onset": 40.0'),
        "one: 0 of 12 rows lie in the sound .within 0 to 30 s"),
    "no repeats": (lambda f: _edit(f, '"one": "P1_one.npy"', '"one": []'), "names no file"),
}  # fmt: skip


def _edit(folder, old, new):
    path = folder / "study.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place(folder, fault):
    make, message = FAULTS[fault]
    make(folder)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ek.load_study("folder", root=folder)


def test_nan_in_some_trs_is_named_when_it_is_read(folder):
    values = np.load(folder / "P1_one.npy")
    values[4:7, 1] = np.nan
    np.save(folder / "P1_one.npy", values)
    study = ek.load_study("folder", root=folder)
    with pytest.raises(ValueError, match=r"P1_one.npy of P1: 1 targets.*target 1 from TR 4"):
        study.responses()[0].compute()


def test_a_voxel_without_signal_stays_nan(folder):
    values = np.load(folder / "P1_one.npy")
    values[:, 1] = np.nan
    np.save(folder / "P1_one.npy", values)
    response = ek.load_study("folder", root=folder).responses()[0].compute()
    assert np.isnan(response.values[:, 1]).all()
    assert np.isfinite(response.values[:, [0, 2]]).all()


def test_a_folder_study_that_says_where_it_is_from_passes_the_test_kit(folder, described):
    told = described | {"description": "Two people of our own lab."}
    (folder / "study.json").write_text(json.dumps(told))
    passed = check_study(lambda: ek.load_study("folder", root=folder))
    assert len(passed) == len(STUDY_CHECKS)


@pytest.fixture(scope="module")
def alice(real_data, tmp_path_factory):
    """The real Alice data as a folder study: its description is all that is written."""
    folder = real_data / "alice"
    with np.load(folder / "bold.npz") as arrays:
        names, regions = arrays["participants"].tolist(), arrays["rois"].tolist()
    columns = {"label": "word", "onset": "onset_audio", "offset": "offset_audio"}
    described = {
        "encodekit_study": 1,
        "name": "alice",
        "t_r": 2.0,
        "units": "scanner",
        "targets": {"region": regions},
        "stimuli": {"alice": {"words": {"file": "words.csv", **columns}, "first_onset": 20.0}},
        "participants": {
            name: {
                kind: {"alice": {"file": "bold.npz", "key": key, "index": k}}
                for kind, key in (("responses", "bold"), ("confounds", "motion"))
            }
            for k, name in enumerate(names)
        },
    }
    path = tmp_path_factory.mktemp("alice") / "alice.json"
    path.write_text(json.dumps(described))
    return ek.load_study("folder", root=folder, description=path, participants=names[:3])


class TestAlice:
    def test_the_real_responses_are_those_of_the_file(self, alice, real_data):
        with np.load(real_data / "alice" / "bold.npz") as arrays:
            bold = arrays["bold"][:3]
        read = alice.responses()[0].values.reshape(362, 3, 6).transpose(1, 0, 2)
        np.testing.assert_allclose(read, bold, rtol=1e-6)
        assert alice.responses()[0].seconds.values[:2].tolist() == [20.0, 22.0]

    def test_the_first_word_lands_in_row_0(self, alice):
        """'Alice' begins at 20.059 s: row 0 is 20 to 22 s; six words begin in it."""
        stimulus = alice.stimuli[0]
        assert stimulus.words["word"][0] == "Alice"
        rate = ek.WordRate(history=0, resample="sum").transform([stimulus])
        assert rate.values[0, 0] == 6
        assert rate.sizes["time"] == 362

    def test_table_and_textgrid_agree_to_a_millisecond(self, alice, real_data):
        from encodekit.data import read_textgrid

        grid = read_textgrid(real_data / "alice" / "alice.TextGrid")
        table = alice.stimuli[0].words
        nearest = np.abs(grid["onset"].to_numpy()[:, None] - table["onset"].to_numpy()).min(axis=0)
        assert np.quantile(nearest, 0.99) < 1e-3
