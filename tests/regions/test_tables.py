"""Names of labels, in every form of table: each value gets its own whole name, or a refusal."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from encodekit.regions import read_atlas
from encodekit.regions._tables import read_table

N = 10242
NAMES = ["Superior temporal gyrus", "Superior frontal gyrus", "Area 44", "Inferior parietal lobule"]
COLOURS = ["25 100 40 0", "125 100 160 0", "100 25 0 0", "120 70 50 0"]
EXPECTED = dict(enumerate(NAMES, start=1))


def lines(form):
    return "\n".join(
        form.format(k=k, name=name, colour=colour)
        for (k, name), colour in zip(EXPECTED.items(), COLOURS, strict=True)
    )


FSL = (
    "<?xml version='1.0'?><atlas version='1.0'><header><type>{kind}</type></header><data>"
    + "".join(f'<label index="{k + 0}" x="1" y="2" z="3">{name}</label>' for k, name in
              enumerate(NAMES))
    + "</data></atlas>"
)  # fmt: skip
TEXTS = {
    "plain.txt": lines("{k} {name}"),
    "colours.txt": lines("{k}  {name}   {colour}"),
    "FreeSurferColorLUT.txt": "#No. Label Name: R G B A\n\n" + lines("{k}\t{name}\t\t{colour}"),
    "rgb.ctab": lines("{k} {name} 10 20 30"),
    "floats.lut": lines("{k} 0.1 0.2 0.35 {name}"),
    "workbench.txt": lines("{name}\n{k} {colour}"),
    "itksnap.label": lines('   {k}   255 0 10   1 1 1   "{name}"'),
    "quoted.txt": lines('{k} "{name}" 1 2 3 4'),
    "colon.txt": lines("{k}: {name}"),
    "dot.txt": lines("{k}. {name}"),
    "bracket.txt": lines("{k}) {name}"),
    "comma.txt": lines("{k},{name}"),
    "header.txt": "Index Name R G B A\n" + lines("{k} {name} {colour}"),
    "tabs.txt": lines("{k}\t{name}\t-12.5\t30\t4"),
    "bom.txt": "\ufeff" + lines("{k} {name}"),
    "windows.txt": lines("{k} {name}").replace("\n", "\r\n"),
    "dseg.tsv": "index\tname\tabbreviation\tcolor\n" + lines("{k}\t{name}\tX{k}\t#ff0000"),
    "roi.csv": "ROI_ID,Region Name,R,G,B\n" + lines("{k},{name},1,2,3"),
    "label.csv": "label,region\n" + lines('{k},"{name}"'),
    "semicolons.csv": "value;area\n" + lines("{k};{name}"),
    "headless.csv": lines("{k},{name}"),
    "headless.tsv": lines("{k}\t{name}\t1\t2\t3"),
    "probabilistic.xml": FSL.format(kind="Probabilistic"),
}


@pytest.mark.parametrize("file", TEXTS)
def test_names_of_several_words_stay_whole(tmp_path, file):
    (tmp_path / file).write_text(TEXTS[file], encoding="utf-8", newline="")
    assert read_table(tmp_path / file) == EXPECTED


def test_fsl_atlases_of_labels_count_as_their_images_do(tmp_path):
    (tmp_path / "a.xml").write_text(FSL.format(kind="Label"))
    assert read_table(tmp_path / "a.xml") == dict(enumerate(NAMES))
    (tmp_path / "a.xml").write_text("<html><body/></html>")
    with pytest.raises(ValueError, match=r"a.xml is XML of 'html' with 0 labels .*expected FSL's"):
        read_table(tmp_path / "a.xml")


def test_look_up_tables_of_freesurfer_are_read_as_they_are(tmp_path):
    path = tmp_path / "lut.txt"
    path.write_text("# comment\n0 Unknown 0 0 0 0\n1001 ctx-lh-bankssts 25 100 40 0\n"
                    "2001    ctx-rh-bankssts   25  100 40  0\n")  # fmt: skip
    assert read_table(path) == {0: "Unknown", 1001: "ctx-lh-bankssts", 2001: "ctx-rh-bankssts"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "Background\nSuperior temporal gyrus\n44\n"),
        ("names.csv", "name\nBackground\nSuperior temporal gyrus\n44\n"),
        ("plain.tsv", "Background\nSuperior temporal gyrus\n44\n"),
    ],
)
def test_names_without_values_are_a_list(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_table(tmp_path / name) == ["Background", "Superior temporal gyrus", "44"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"x": [1], "name": ["A"]}), r"columns \['x', 'name'\], expected index and"),
        (pd.DataFrame({"index": [1], "x": ["A"]}), r"columns \['index', 'x'\], expected index and"),
        (pd.DataFrame({"id": [1], "value": [2], "name": ["A"]}), r"\['id', 'value'\] could each"),
        (pd.DataFrame({"index": [1], "label": ["A"], "region": ["B"]}), r"rename .* to 'name'"),
        (pd.DataFrame({"index": [1, 1], "name": ["A", "B"]}), "value 1 has two names, 'A' and 'B'"),
        (pd.DataFrame({"index": [1.5], "name": ["A"]}), r"1\.5 is no label, expected whole"),
        ({"A1": 1}, "'A1' is no label, expected whole"),
    ],
)
def test_tables_that_do_not_say_which_column_is_which_are_refused(table, message):
    with pytest.raises(ValueError, match=message):
        read_table(table)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.txt", "1 A one\nB two\n", "line 'B two' has no value before the name, and '1 A one'"),
        ("a.txt", "1 A 1 2 3 0\n2 B\n", "line '1 A 1 2 3 0' has numbers of a colour .* '2 B'"),
        ("a.txt", "1 A\n2 B\n1 C\n", "value 1 has two names, 'A' and 'C'"),
        ("a.csv", "index,name\n1,A, left\n", "has 3 cells, the first line .* has 2: quote"),
        ("a.tsv", "A1\t1\nV1\t2\n", r"columns \['A1', '1'\], expected index and name"),
        ("a.txt", "# nothing\n\n", "has no names"),
        ("a.xml", "<atlas><data>", "is not XML that can be read"),
    ],
)
def test_texts_that_can_be_read_in_two_ways_are_refused(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / file)


def test_other_columns_and_an_index_of_the_frame_are_understood():
    frame = pd.DataFrame({"Label": [1, 2, 3, 4], "Full name": NAMES, "hemi": list("LRLR")})
    assert read_table(frame) == EXPECTED
    by_index = pd.DataFrame({"name": NAMES}, index=pd.Index([1, 2, 3, 4], name="index"))
    assert read_table(by_index) == EXPECTED
    assert read_table({"1": "A", 2.0: "B"}) == {1: "A", 2: "B"}


def label_files(folder, values):
    files = {}
    for side, of in values.items():
        array = nib.gifti.GiftiDataArray(np.asarray(of, dtype="i4"), datatype="NIFTI_TYPE_INT32")
        files[side] = folder / f"{side}.gii"
        nib.save(nib.gifti.GiftiImage(darrays=[array]), files[side])
    return files


def values_of(labels, seed=0):
    rng = np.random.default_rng(seed)
    return {side: rng.permutation(np.resize(labels, N)) for side in ("left", "right")}


def counted(values, names):
    return {
        name: {side: int((of == value).sum()) for side, of in values.items()}
        for value, name in names.items()
    }


@pytest.mark.parametrize("first", ["Background", "Unknown", "???", "Medial_wall", "Outside"])
@pytest.mark.parametrize("given", ["list", "text", "frame", "array"])
def test_a_list_that_begins_with_the_background_begins_with_zero(tmp_path, first, given):
    values = values_of([0, 0, 1, 2, 3])
    names = [first, "A one", "A two", "A three"]
    path = tmp_path / "names.txt"
    path.write_text("\n".join(names))
    table = {
        "list": names, "text": path, "frame": pd.DataFrame({"name": names}),
        "array": np.array(names),
    }[given]  # fmt: skip
    atlas = read_atlas(label_files(tmp_path, values), table=table, name="toy")
    expected = counted(values, {1: "A one", 2: "A two", 3: "A three"})
    assert {name: atlas.count(name) for name in atlas.names} == expected


def test_a_list_without_the_background_begins_with_one(tmp_path):
    values = values_of([0, 1, 3, 4])  # 2 is in the list and not in the file
    atlas = read_atlas(label_files(tmp_path, values), table=["A", "B", "C", "D"], name="toy")
    expected = counted(values, {1: "A", 3: "C", 4: "D"})
    assert {name: atlas.count(name) for name in atlas.names} == expected


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 1, 2, 3], ["A", "B", "C", "D"], r"4 names .* ends with value 4, .*3"),
        ([0, 1, 2, 3, 4], ["A", "B", "C"], r"3 names .* 4 labels \(1, 2, 3, 4\)"),
        ([0, 1, 2, 3, 4], ["Background", "A", "B"], r"3 names begins with the background, value 0"),
        ([0, 1, 2], ["Background", "A", "B", "C"], r"ends with value 3, .* 2 labels \(1, 2\)"),
        ([0, 1, 2, 3], ["Unknown", "A", "B"], r"ends with value 2, .* 3 labels"),
        ([0, 10, 20, 30], ["A", "B", "C"], r"3 names .* \(10, 20, 30\): pass table=\{value"),
        ([0, 1, 2, 4], ["A", "B", "C"], r"3 names .* 3 labels \(1, 2, 4\)"),
        ([0, *range(1001, 1036)], ["A"] * 35, r"35 labels \(1001 to 1035\)"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_fit_the_values_is_refused_with_both_numbers(
    tmp_path, labels, names, message
):
    with pytest.raises(ValueError, match=message):
        read_atlas(label_files(tmp_path, values_of(labels)), table=names, name="toy")


def test_values_with_one_name_in_a_hemisphere_are_refused(tmp_path):
    files = label_files(tmp_path, values_of([0, 1, 2, 3]))
    with pytest.raises(
        ValueError, match=r"values 1, 3 are all named 'STG' in the left hemi.*groups="
    ):
        read_atlas(files, table={1: "STG", 2: "IFG", 3: "STG"}, name="toy")
    with pytest.raises(ValueError, match="values 1, 2 are all named 'A1'"):
        read_atlas(files, table={1: "L_A1_ROI", 2: "A1", 3: "V1"}, name="toy")


def test_left_and_right_twins_of_one_name_are_one_area(tmp_path):
    values = {"left": values_of([0, 1, 2])["left"], "right": values_of([0, 3, 4])["right"]}
    values["left"][:5] = 3  # a few that a projection brought over
    table = {1: "STG", 2: "IFG", 3: "STG", 4: "IFG"}
    atlas = read_atlas(label_files(tmp_path, values), table=table, name="toy")
    assert atlas.names == ("STG", "IFG")
    expected = {side: int(np.isin(of, [1, 3]).sum()) for side, of in values.items()}
    assert atlas.count("STG") == expected


def test_labels_without_a_name_are_told(tmp_path):
    values = values_of([0, 1, 2, 3, 255])
    lost = sum(int(np.isin(of, [3, 255]).sum()) for of in values.values())
    with pytest.warns(
        UserWarning, match=rf"2 of its labels \(3, 255\) have no name: {lost} vertic"
    ):
        atlas = read_atlas(label_files(tmp_path, values), table={1: "A", 2: "B"}, name="toy")
    assert atlas.count("A") == counted(values, {1: "A"})["A"]


def test_a_table_of_other_values_is_refused(tmp_path):
    files = label_files(tmp_path, values_of([0, 1, 2]))
    with pytest.raises(ValueError, match=r"no label of the file \(0, 1, 2\) .*values 1001, 1002"):
        read_atlas(files, table={1001: "A", 1002: "B"}, name="toy")


@pytest.mark.parametrize(
    "text",
    [
        "label\themi\tname\n1\tL\tA one\n2\tR\tB\n",
        "index\tname\tcolor\n1\tA one\t#ff0000\n2\tB\t#00ff00\n",
        "1 A one #ff0000\n2 B #00ff00ff\n",
        "1,A one,#ff0000\n2,B,#00ff00\n",
    ],
)
def test_colours_and_hemispheres_beside_a_name_are_not_of_it(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    assert read_table(tmp_path / "a.txt") == {1: "A one", 2: "B"}


@pytest.mark.parametrize("text", ["V1 2\nA1 1\n", "A\t10\nB\t20\n", "area 44\narea 45\n"])
def test_a_number_after_each_name_may_be_its_value(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match="ends in a number.* the value or part of the name: write"):
        read_table(tmp_path / "a.txt")


def test_numbers_in_the_order_of_the_lines_are_the_same_either_way(tmp_path):
    (tmp_path / "a.txt").write_text("Network 1\nNetwork 2\n")
    assert read_table(tmp_path / "a.txt") == ["Network 1", "Network 2"]


@pytest.mark.parametrize(
    ("left", "right"),
    [("rh.a.gii", "lh.a.gii"), ("a.R.label.gii", "a.L.label.gii"),
     ("a_hemi-R_dseg.label.gii", "a_hemi-L_dseg.label.gii"), ("right.gii", "left.gii")],
)  # fmt: skip
def test_files_of_exchanged_hemispheres_are_refused(tmp_path, left, right):
    made = label_files(tmp_path, values_of([0, 1]))
    given = {"left": tmp_path / left, "right": tmp_path / right}
    content = {side: made[side].read_bytes() for side in made}
    for side, path in given.items():
        path.write_bytes(content[side])
    with pytest.raises(ValueError, match="is given for the left hemisphere, and its name says"):
        read_atlas(given, table={1: "A"})
    for side, path in given.items():
        path.write_bytes(content["left" if side == "right" else "right"])
    exchanged = read_atlas({"left": given["right"], "right": given["left"]}, table={1: "A"})
    assert exchanged.count("A") == {"left": N // 2, "right": N // 2}


def test_infinite_labels_are_refused_by_name(tmp_path):
    files = {}
    for side in ("left", "right"):
        values = np.where(np.arange(N) < 5, np.inf, 1).astype("f4")
        array = nib.gifti.GiftiDataArray(values, datatype="NIFTI_TYPE_FLOAT32")
        files[side] = tmp_path / f"{side}.gii"
        nib.save(nib.gifti.GiftiImage(darrays=[array]), files[side])
    with pytest.raises(ValueError, match="5 of its values are infinite, which is no label"):
        read_atlas(files, table={1: "A"})
