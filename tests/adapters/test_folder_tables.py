"""Confounds, targets, words and units of a folder study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit_adapters.folder import check_folder, survey_folder

RNG = np.random.default_rng(0)


@pytest.fixture
def lab(load_module):
    return load_module(Path(__file__).with_name("lab_folder.py"))


def residuals(values, confounds):
    """Return the residuals of least squares on confounds and a constant, plus the mean."""
    design = np.column_stack([np.ones(len(values)), confounds])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0] + values.mean(axis=0)


class TestConfounds:
    N = 36

    @pytest.fixture
    def motion(self):
        table = pd.DataFrame({"trans_x": RNG.standard_normal(self.N)})
        table["trans_x_derivative1"] = table["trans_x"].diff()
        table["framewise_displacement"] = table["trans_x"].diff().abs()
        return table

    def write(self, lab, tmp_path, table, start=0, entry="c.tsv", **fields):
        values = RNG.standard_normal((self.N, 4))
        root = lab.write_lab(tmp_path / "lab", {"a": 70.0}, {"P1": {"a": values}},
                             stimuli={"a": {"scan_starts": start}},
                             people={"P1": {"confounds": {"a": entry}}}, **fields)  # fmt: skip
        table.to_csv(root / "c.tsv", sep="\t", index=False, na_rep="n/a")
        return root, values

    def cleaned(self, root):
        return ek.load_study(root).clean(ek.ConfoundRemover(n_cosines=0)).responses()[0].values

    def test_what_row_0_lacks_is_that_of_row_1_as_nilearn_has_it(self, lab, tmp_path, motion):
        root, values = self.write(lab, tmp_path, motion)
        filled = motion.bfill()
        np.testing.assert_allclose(
            self.cleaned(root), residuals(values[:35], filled[:35]), atol=1e-5
        )
        told = ek.load_study(root).describe()
        assert (
            "trans_x_derivative1, framewise_displacement: n/a in row 0, taken to be as in" in told
        )

    def test_rows_before_the_sound_are_left_out_of_both(self, lab, tmp_path, motion):
        root, values = self.write(lab, tmp_path, motion, start=-6)
        np.testing.assert_allclose(self.cleaned(root), residuals(values[3:], motion[3:]), atol=1e-5)

    @pytest.mark.parametrize("mark", ["n/a", "NaN", "", "nan", "NA"])
    def test_every_mark_of_a_missing_number_is_one(self, lab, tmp_path, motion, mark):
        root, values = self.write(lab, tmp_path, motion)
        motion.to_csv(root / "c.tsv", sep="\t", index=False, na_rep=mark)
        expected = residuals(values[:35], motion.bfill()[:35])
        np.testing.assert_allclose(self.cleaned(root), expected, atol=1e-5)

    def test_columns_are_chosen_and_text_elsewhere_is_no_matter(self, lab, tmp_path, motion):
        motion["note"] = "fine"
        entry = {"file": "c.tsv", "columns": ["framewise_displacement"]}
        root, values = self.write(lab, tmp_path, motion, entry=entry)
        chosen = motion[["framewise_displacement"]].bfill()
        np.testing.assert_allclose(
            self.cleaned(root), residuals(values[:35], chosen[:35]), atol=1e-5
        )

    def test_a_saved_array_may_lack_row_0_too(self, lab, tmp_path, motion):
        root, values = self.write(lab, tmp_path, motion, entry="c.npy")
        np.save(root / "c.npy", motion.to_numpy())
        expected = residuals(values[:35], motion.bfill()[:35])
        np.testing.assert_allclose(self.cleaned(root), expected, atol=1e-5)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.assign(note="go"), r"column 'note': 36 rows .*'go'.*\"columns\": \["),
            (lambda t: t.assign(trans_x=t.trans_x.where(t.index != 9)),
             r"column 'trans_x' has no number in row 9 .*interpolate it, or leave the column out"),
            (lambda t: t.assign(flat=np.nan), "column 'flat' has no number in row 0"),
            (lambda t: t.assign(trans_x=t.trans_x.where(t.index > 1)),
             "column 'trans_x' has no number in row 0"),
            (lambda t: t[:-2], "a table has 34 rows but the file of the response has 36"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_taken_is_named(self, lab, tmp_path, motion, change, message):
        root, _ = self.write(lab, tmp_path, change(motion))
        with pytest.raises(ValueError, match=f"(?s)P1.confounds.a: .*{message}"):
            ek.load_study(root)

    @pytest.mark.parametrize(("name", "first"), [("TR", 0), ("volume", 1), ("index", 0)])
    def test_a_column_that_counts_rows_is_told(self, lab, tmp_path, motion, name, first):
        table = motion.assign(**{name: first + np.arange(self.N)})
        root, _ = self.write(lab, tmp_path, table)
        told = ek.load_study(root).describe()
        assert f"column {name!r} counts the rows; if it is no confound" in told
        assert "in row 0" in told
        root, _ = self.write(lab, tmp_path, motion)
        assert "counts the rows" not in ek.load_study(root).describe()

    def test_a_column_that_is_not_there_is_told(self, lab, tmp_path, motion):
        entry = {"file": "c.tsv", "columns": ["trans_y"]}
        root, _ = self.write(lab, tmp_path, motion, entry=entry)
        with pytest.raises(ValueError, match="unknown column 'trans_y': did you mean 'trans_x'"):
            ek.load_study(root)


class TestTargets:
    def write(self, lab, tmp_path, targets, **fields):
        arrays = {p: {"a": RNG.standard_normal((30, 4))} for p in ("P1", "P2")}
        return lab.write_lab(tmp_path / "lab", {"a": 60.0}, arrays, targets=targets,
                             stimuli={"a": {"scan_starts": 0}}, **fields)  # fmt: skip

    @pytest.mark.parametrize(
        "names", [["L", "L", "R", "R"], ["lh", "lh", "rh", "rh"], ["l", "LH", "right", "Right"]]
    )
    def test_sides_by_their_usual_names(self, lab, tmp_path, names):
        root = self.write(lab, tmp_path, {"hemisphere": names, "vertex": [0, 5, 0, 5]})
        response = ek.load_study(root).responses()[0]
        assert response.hemisphere.values.tolist() == ["left", "left", "right", "right"] * 2
        assert response.target.values[2] == "P1/right/00000"

    def test_one_table_for_all_or_one_with_their_names(self, lab, tmp_path):
        root = self.write(lab, tmp_path, {"file": "t.tsv"})
        (root / "t.tsv").write_text("region\tvoxel\nA\t1\nA\t2.0\nB\t3\nB\t4\n")
        one = ek.load_study(root).responses()[0]
        assert one.voxel.values.tolist() == [1, 2, 3, 4] * 2
        rows = "".join(f"{p}\t{p}-{k}\n" for k in range(4) for p in ("P2", "P1"))
        (root / "t.tsv").write_text("participant\tregion\n" + rows)
        own = ek.load_study(root).responses()[0]
        assert own.region.values.tolist() == [f"{p}-{k}" for p in ("P1", "P2") for k in range(4)]

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ("region\nA\nB\n", "a: has 4 targets but 2 are listed under targets"),
            ("participant\tregion\n" + "P1\tA\n" * 4, "P2.targets.*unknown participant 'P2'"),
            ("hemisphere\n" + "top\n" * 4, "hemisphere of target 0 is 'top', expected left or rig"),
            ("vertex\n1\n2\n2.5\n3\n", "vertex of target 2 is '2.5', expected a whole number"),
            ("label\n" + "A\n" * 4, "has the columns label, and none of hemisphere, vertex, voxel"),
            ("voxel\n1\n2\nx\n3\n", "voxel of target 2 is 'x', expected a whole number"),
        ],
    )
    def test_a_table_that_does_not_fit_is_named(self, lab, tmp_path, table, message):
        root = self.write(lab, tmp_path, {"file": "t.tsv"})
        (root / "t.tsv").write_text(table)
        with pytest.raises(ValueError, match=f"(?s){message}"):
            ek.load_study(root)

    def test_lists_of_several_lengths_are_told(self, lab, tmp_path):
        root = self.write(lab, tmp_path, {"region": ["A"] * 4, "voxel": [1, 2, 3]})
        with pytest.raises(ValueError, match=r"differ in length \(voxel 3, region 4\)"):
            ek.load_study(root)


SCALES = {"z": (0, 1), "BOLD": (9000, 80), "unknown": (0, 30)}


class TestUnits:
    def write(self, lab, tmp_path, mean, sd, **fields):
        values = RNG.standard_normal((60, 50))
        values = mean + sd * (values - values.mean(axis=0)) / values.std(axis=0)
        arrays = {"P1": {"a": values, "b": values[::-1]}}
        start = {"scan_starts": 0}
        return lab.write_lab(tmp_path / "lab", {"a": 120.0, "b": 120.0}, arrays,
                             stimuli={"a": start, "b": start}, **fields)  # fmt: skip

    @pytest.mark.parametrize("units", SCALES)
    def test_units_that_are_not_stated_are_guessed_and_said(self, lab, tmp_path, units):
        study = ek.load_study(self.write(lab, tmp_path, *SCALES[units]))
        assert study.responses()[0].attrs["units"] == units
        sd = SCALES[units][1]
        assert f"units {units}, guessed from mean " in study.describe()
        assert f"SD {sd:.3g} in run 'a', P1" in study.describe()

    def test_stated_units_are_kept(self, lab, tmp_path):
        study = ek.load_study(self.write(lab, tmp_path, 0, 1, units="percent"))
        assert study.responses()[0].attrs["units"] == "percent"
        assert "units" not in study.describe()

    def test_raw_values_that_are_called_z_are_flagged_run_by_run(self, lab, tmp_path):
        root = self.write(lab, tmp_path, 0, 1, units="z")
        assert "units" not in survey_folder(root).study.describe()
        np.save(root / "P1_b.npy", 900 + 20 * RNG.standard_normal((60, 50)))
        (line,) = [
            line for line in survey_folder(root).study.describe().splitlines() if "units" in line
        ]
        assert "run 'b', P1: units are \"z\" but the values have mean 900, SD " in line
        assert 'write "units": "BOLD"' in line

    def test_targets_without_a_signal_are_counted(self, lab, tmp_path):
        root = self.write(lab, tmp_path, 0, 1)
        values = np.load(root / "P1_a.npy")
        values[:, :3], values[:, 7:9], values[:, 20] = np.nan, 0, 5
        np.save(root / "P1_a.npy", values)
        np.save(root / "P1_b.npy", values * 0 + 0.0)
        told = survey_folder(root).study.describe()
        for line in ("run 'a', P1: 3 of 50 targets are NaN throughout",
                     "run 'a', P1: 2 of 50 targets are 0 throughout",
                     "run 'a', P1: 1 of 50 targets are constant",
                     "run 'b', P1: 47 of 50 targets are 0 throughout"):  # fmt: skip
            assert line in told

    def test_gaps_are_problems_of_the_check(self, lab, tmp_path):
        root = self.write(lab, tmp_path, 0, 1)
        values = np.load(root / "P1_b.npy")
        values[4:7, 1] = np.nan
        np.save(root / "P1_b.npy", values)
        assert check_folder(root) == [
            "participants.P1.responses.b: 1 targets are NaN in some TRs: get or preprocess the "
            "run again, or leave it out"
        ]


class TestWords:
    @pytest.fixture
    def root(self, lab, tmp_path, layouts):
        root = lab.write_lab(tmp_path / "lab", {"a": 60.0}, {"P1": {"a": lab.times(0, 30)}},
                             stimuli={"a": {"scan_starts": 0}})  # fmt: skip
        words = layouts.silence_between([(3.5, 0.25, "fox"), (9.0, 0.5, "xx")], 60.0)
        phones = layouts.silence_between([(3.5, 0.1, "F")], 60.0)
        (root / "a.TextGrid").write_text(layouts.textgrid({"words": words, "phones": phones}, 60.0))
        return root

    def words(self, lab, root, **fields):
        told = lab.described(root)
        told["stimuli"]["a"]["words"] = {"file": "a.TextGrid", **fields}
        lab.rewrite(root, told)
        return ek.load_study(root).stimuli[0].words["word"].tolist()

    def test_the_tier_of_words_is_found_by_its_name(self, lab, root):
        assert self.words(lab, root) == ["fox", "xx"]

    def test_a_tier_is_named(self, lab, root):
        assert self.words(lab, root, tier="phones") == ["F"]

    def test_marks_of_ones_own_are_no_words(self, lab, root):
        assert "xx" not in self.words(lab, root, silence=["xx"])
        assert "fox" in self.words(lab, root, silence=["xx"])

    def test_a_tier_that_is_not_there_is_told(self, lab, root):
        with pytest.raises(ValueError, match=r"stimuli.a: .*unknown tier 'wrods': did you mean"):
            self.words(lab, root, tier="wrods")
