"""Damage to the files of an atlas, and to the tables of its names."""

import gzip
from functools import partial

import nibabel as nib
import numpy as np

from encodekit.regions import read_atlas

N = 2562  # vertices per hemisphere of fsaverage4
SIDES = {"left": "lh", "right": "rh"}
NAMES = ["Superior temporal gyrus", "Superior frontal gyrus", "Area 44", "Inferior parietal"]
AFFINE = np.array([[8.0, 0, 0, -90], [0, 8, 0, -126], [0, 0, 8, -72], [0, 0, 0, 1]])
ARRAYS = nib.gifti.GiftiDataArray


def labels(side):
    """Return the labels of a hemisphere: 0 outside, 1 to 4 inside, each of another size."""
    seed = {"left": 0, "right": 1}[side]
    return np.random.default_rng(seed).choice(5, N, p=[0.4, 0.1, 0.2, 0.05, 0.25]).astype("i4")


def volume():
    made = np.ones((23, 28, 23), "f4")
    made[11:] = 2
    made[:, 14:] += 2
    made[:, :8] = 0
    return made


def write(root):
    """Write the same atlas as GIFTI, with and without names, as annot, CIFTI and a volume."""
    root.mkdir()
    for side, short in SIDES.items():
        write_gifti(root / f"{side}.label.gii", labels(side))
        write_gifti(root / f"named.{side}.label.gii", labels(side), ["???", *NAMES])
        colours = np.array([[25, 5, 25, 0, 0], *([k, 2, 3, 0, 0] for k in range(1, 5))])
        nib.freesurfer.write_annot(root / f"{short}.toy.annot", labels(side), colours,
                                   ["???", *NAMES], fill_ctab=True)  # fmt: skip
    write_cifti(root / "toy.dlabel.nii")
    nib.save(nib.Nifti1Image(volume(), AFFINE), root / "toy.nii.gz")
    (root / "labels.txt").write_text("".join(f"{k} {n}\n" for k, n in enumerate(NAMES, 1)))
    (root / "labels.tsv").write_text(
        "index\tname\n" + "".join(f"{k}\t{n}\n" for k, n in enumerate(NAMES, 1))
    )
    (root / "list.txt").write_text("Background\n" + "".join(f"{n}\n" for n in NAMES))


def write_gifti(path, values, names=None):
    kind = "NIFTI_TYPE_FLOAT32" if values.dtype.kind == "f" else "NIFTI_TYPE_INT32"
    values = values.astype("f4" if values.dtype.kind == "f" else "i4")
    image = nib.gifti.GiftiImage(
        darrays=[ARRAYS(values, intent="NIFTI_INTENT_LABEL", datatype=kind)]
    )
    for key, name in enumerate(names or []):
        label = nib.gifti.GiftiLabel(key)
        label.label = name
        image.labeltable.labels.append(label)
    nib.save(image, path)


def write_cifti(path, sides=("left", "right"), change=lambda row: row, names=NAMES, n=N):
    table = {0: ("???", (0, 0, 0, 0))} | {k: (m, (1, 0, 0, 1)) for k, m in enumerate(names, 1)}
    models = [nib.cifti2.BrainModelAxis.from_surface(np.arange(n), n, f"cortex_{side}")
              for side in sides]  # fmt: skip
    axis = models[0] if len(models) == 1 else models[0] + models[1]
    row = change(np.concatenate([labels(side)[:n] for side in sides]).astype("f4"))
    nib.save(nib.Cifti2Image(row[None], (nib.cifti2.LabelAxis(["toy"], [table]), axis)), path)


def read(reading, root, kind="gifti", table="labels.txt", **given):
    """Return the areas of each hemisphere, as an atlas has them, and what is warned of."""
    import warnings

    files = {
        "gifti": {side: root / f"{side}.label.gii" for side in SIDES},
        "named": {side: root / f"named.{side}.label.gii" for side in SIDES},
        "annot": {side: root / f"{short}.toy.annot" for side, short in SIDES.items()},
        "cifti": root / "toy.dlabel.nii",
        "volume": root / "toy.nii.gz",
    }[kind]
    more = {"table": root / table} if kind in ("gifti", "volume") else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        atlas = read_atlas(files, name="toy", **more, **given)
    found = {"areas": sorted(atlas.names), "space": atlas.space}
    for area in atlas.names:
        for side in SIDES:
            found[f"{area} {side}"] = atlas.vertices(area, side)
    return reading(found, [str(warning.message) for warning in caught])


def of_side(change, side="left", **more):
    """Return a damage of the labels of one hemisphere."""

    def damage(root):
        write_gifti(root / f"{side}.label.gii", change(labels(side)), **more)

    return damage


def faults(fault, stimuli):
    """Yield all faults of atlases."""
    yield from _values(fault)
    yield from _names(fault, stimuli)
    yield from _lists(fault, stimuli)
    yield from _files(fault, stimuli)
    yield from _others(fault)
    yield from _volumes(fault)


def _put(values, where, value):
    made = values.astype("f4")
    made[where] = value
    return made


def _values(fault):
    for value in (np.nan, -1, 0):
        outside = lambda v, value=value: np.where(v == 0, value, v).astype("f4")  # noqa: E731
        yield fault("right", "another value outside", of_side(outside), given={})
    yield fault("right", "labels as floats", of_side(lambda v: v.astype("f4")))
    for value in (9, 5, 1000):
        yield fault("told", "a label without a name",
                    of_side(lambda v, value=value: np.where(v == 3, value, v)),
                    rf"1 of its labels \({value}\) have no name", _without_area)  # fmt: skip
    yield fault("named", "real numbers", of_side(lambda v: v / 3), "toy: .*real numbers")
    yield fault("named", "real numbers", of_side(lambda v: _put(v, 7, 1.5)), "toy: .*real numbers")
    yield fault("named", "infinite labels", of_side(lambda v: _put(v, 7, np.inf)), "toy: ")
    yield fault("named", "nothing but background", _nothing, "toy: ")
    for n in (N - 1, N + 1, 642, 10242, 40962, 0):
        made = np.resize(labels("left"), n)
        yield fault("named", "another mesh", of_side(lambda v, made=made: made), "toy|left")
    yield fault("named", "another mesh", _both_of_another_mesh, "toy: .*5000.* fit no mesh")


def _nothing(root):
    for side in SIDES:
        write_gifti(root / f"{side}.label.gii", 0 * labels(side))


def _both_of_another_mesh(root):
    for side in SIDES:
        write_gifti(root / f"{side}.label.gii", np.resize(labels(side), 5000))


def _without_area(intact, area=NAMES[2]):
    """The area is lacking in the left hemisphere."""
    return {**intact, f"{area} left": intact[f"{area} left"][:0]}


def _names(fault, stimuli):
    """Yield damage to a table of values and names."""

    def of(verdict, kind, change, name="labels.txt", says=None, **more):
        damage = stimuli.rewritten(name, change)
        return fault(verdict, f"table: {kind}", damage, says or f"toy|{name}",
                     given={} if name == "labels.txt" else {"table": name}, **more)  # fmt: skip

    lines = stimuli.of_lines
    for name in ("labels.txt", "labels.tsv"):
        for one in stimuli.file_faults(fault, name, name, "table"):
            yield fault(one.verdict, one.kind, one.damage, one.says, given={"table": name})
        first = 1 if name.endswith("tsv") else 0
        for change in (b"\xef\xbb\xbf", None):
            yield of("right", "BOM or Windows", lambda text, c=change: (
                c + text.encode() if c else text.replace("\n", "\r\n").encode()), name)  # fmt: skip
        yield of("right", "BOM or Windows", lambda text: text.encode("utf-16"), name)
        for encoding in ("latin-1", "utf-16-le"):
            yield of("named", "another encoding", lambda text, e=encoding: text.replace(
                "Area", "Aréa").encode(e), name)  # fmt: skip
        for k in (0, 2, 3):
            yield of(
                "told",
                "a row lacks",
                lines(lambda rows, k=first + k: rows[:k] + rows[k + 1 :]),
                name,
                "1 of its labels",
                expected=partial(_lacking, area=NAMES[k]),
            )
        yield of("named", "a name twice", stimuli.swap(NAMES[1], NAMES[0]), name, "toy: the values")
        yield of("named", "a value twice", stimuli.swap("2", "1"), name, "value 1 has two names")
        yield of("right", "a row twice", lines(lambda rows: [*rows, rows[-1]]), name)
        yield of("right", "rows in another order",
                 lines(lambda rows, k=first: rows[:k] + rows[k:][::-1]), name)  # fmt: skip
        yield of("right", "a row of an absent area", lambda text, n=name: text + (
            "9\tV1\n" if n.endswith("tsv") else "9 V1\n"), name)  # fmt: skip
        yield of("named", "a value that is no number", stimuli.swap("3", "three"), name)
        yield of("named", "a value that is no whole number", stimuli.swap("3", "3.5"), name)
        yield of("named", "values of another atlas", lambda text: text.translate(
            {ord(str(k)): f"10{k}" for k in range(1, 5)}), name)  # fmt: skip
    yield of("right", "colours", lines(lambda rows: [f"{row} 10 20 {k} 0" for k, row in enumerate(
        rows)]))  # fmt: skip
    yield of("named", "colours of some", stimuli.swap(NAMES[1], f"{NAMES[1]} 10 20 30 0"))
    yield of("right", "points after values", lines(lambda rows: [
        row.replace(" ", ". ", 1) for row in rows]))  # fmt: skip
    yield of("right", "a comment", lambda text: "# of the lab\n" + text)
    yield of("named", "an unknown column", stimuli.swap("name", "nombre"), "labels.tsv")
    yield of("named", "an unknown column", stimuli.swap("index", "x"), "labels.tsv")
    yield of("named", "a row too long", stimuli.swap("Area 44", "Area\t44"), "labels.tsv")
    yield of("right", "names in quotes", stimuli.swap("Area 44", '"Area 44"'), "labels.tsv")


def _lacking(intact, area):
    kept = {k: v for k, v in intact.items() if not k.startswith(area)}
    return {**kept, "areas": [name for name in intact["areas"] if name != area]}


def _lists(fault, stimuli):
    """Yield damage to a list of names without values, which begins with the background."""

    def of(verdict, kind, change, says="toy: a list of"):
        damage = stimuli.rewritten("list.txt", stimuli.of_lines(change))
        return fault(verdict, f"list: {kind}", damage, says, given={"table": "list.txt"})

    for k in range(1, 5):
        yield of("named", "a name lacks", lambda rows, k=k: rows[:k] + rows[k + 1 :])
        yield of("named", "a name too many", lambda rows, k=k: [*rows[:k], "V1", *rows[k:]])
    yield of("right", "no background", lambda rows: rows[1:])
    for name in ("???", "Unknown", "background", "Medial_wall", "none"):
        yield of("right", "another background", lambda rows, name=name: [name, *rows[1:]])
    yield of("named", "a background of another name", lambda rows: ["Nothing", *rows[1:]])
    yield of("named", "the background twice", lambda rows: [rows[0], *rows])
    yield of("named", "a name twice", lambda rows: [*rows[:4], rows[1]], "toy: the values")
    yield of("right", "an empty line", lambda rows: [*rows[:3], "", *rows[3:]])


def _files(fault, stimuli):
    files = (
        ("gifti", "left.label.gii"),
        ("named", "named.right.label.gii"),
        ("annot", "lh.toy.annot"),
        ("cifti", "toy.dlabel.nii"),
        ("volume", "toy.nii.gz"),
    )
    for kind, name in files:
        given = {"kind": kind}
        for one in stimuli.file_faults(fault, name, name, f"atlas {kind}"):
            yield fault(one.verdict, one.kind, one.damage, one.says, given=given)
        for share in (0.02, 0.3, 0.6, 0.9, 0.99):
            damage = partial(_cut, name=name, share=share)
            yield fault("named", f"atlas {kind} cut short", damage, name, given=given)
        renamed = partial(_renamed, old=name, new=f"{name}.bak")
        yield fault("named", f"atlas {kind} missing", renamed, name, given=given)
    for share in (0.2, 0.5, 0.9, 0.99):
        damage = partial(_packed, name="toy.nii.gz", share=share)
        yield fault(
            "named", "atlas volume cut short", damage, "toy.nii.gz", given={"kind": "volume"}
        )


def _cut(root, name, share):
    path = root / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _packed(root, name, share):
    path = root / name
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[: int(len(content) * share)]))


def _renamed(root, old, new):
    (root / old).rename(root / new)


def _others(fault):
    """Yield damage to annotations, to GIFTI with names and to CIFTI."""

    def named(change, names=("???", *NAMES), side="left"):
        return lambda root: write_gifti(
            root / f"named.{side}.label.gii", change(labels(side)), names
        )

    def of(verdict, kind, damage, says="toy: ", given=None, **more):
        return fault(verdict, kind, damage, says, given={"kind": given or "named"}, **more)

    same = lambda v: v  # noqa: E731
    yield of("right", "another background", named(same, ("Unknown", *NAMES)))
    yield of("right", "sides in the names", named(same, ("???", *(f"L_{n}_ROI" for n in NAMES))))
    yield of("named", "a name twice", named(same, ("???", *NAMES[:3], NAMES[0])), "toy: the values")
    yield of("told", "a label without a name", named(same, ("???", *NAMES[:3])), "1 of its labels",
             expected=partial(_without_area, area=NAMES[3]))  # fmt: skip
    yield of("told", "a label without a name", named(lambda v: np.where(v == 3, 9, v)),
             "1 of its labels", expected=_without_area)  # fmt: skip
    yield of("named", "no names", named(same, ()), "toy: ")

    def two(root):
        image = nib.load(root / "named.left.label.gii")
        image.add_gifti_data_array(ARRAYS(labels("right"), intent="NIFTI_INTENT_LABEL"))
        nib.save(image, root / "named.left.label.gii")

    yield of("named", "two maps", two, r"named.left.label.gii holds 2 maps")
    points = ARRAYS(np.zeros((N, 3), "f4"), intent="NIFTI_INTENT_POINTSET")
    surface = nib.gifti.GiftiImage(darrays=[points])
    yield of("named", "a surface", lambda root: nib.save(surface, root / "named.left.label.gii"),
             "named.left.label.gii is a surface")  # fmt: skip
    cifti = partial(of, given="cifti")
    path = "toy.dlabel.nii"
    yield cifti("named", "one hemisphere", lambda root: write_cifti(root / path, ("left",)),
                f"{path} has cortex of")  # fmt: skip
    yield cifti("named", "a name twice", lambda root: write_cifti(
        root / path, names=[*NAMES[:3], NAMES[0]]), "toy: the values")  # fmt: skip
    yield cifti(
        "told",
        "a label without a name",
        lambda root: write_cifti(root / path, names=NAMES[:3]),
        "1 of its labels",
        expected=partial(_lacking, area=NAMES[3]),
    )
    yield cifti(
        "named", "another mesh", lambda root: write_cifti(root / path, n=2000), "fit no mesh"
    )
    yield cifti("named", "real numbers", lambda root: write_cifti(
        root / path, change=lambda row: row / 3), "real numbers")  # fmt: skip
    yield cifti("right", "another value outside", lambda root: write_cifti(
        root / path, change=lambda row: np.where(row == 0, np.nan, row).astype("f4")))  # fmt: skip


def _volumes(fault):
    def of(verdict, kind, change, says="toy", affine=AFFINE, **more):
        def damage(root):
            nib.save(nib.Nifti1Image(change(volume()), affine), root / "toy.nii.gz")

        return fault(verdict, f"volume: {kind}", damage, says, given={"kind": "volume"}, **more)

    for value in (np.nan, -1):
        yield of("right", "another value outside",
                 lambda v, value=value: np.where(v == 0, value, v).astype("f4"))  # fmt: skip
    yield of("right", "labels as whole numbers", lambda v: v.astype("i2"))
    yield of("right", "labels as doubles", lambda v: v.astype("f8"))
    yield of("right", "another axis", lambda v: v[..., None])
    yield of("named", "real numbers", lambda v: v / 3, "real numbers")
    yield of("named", "two maps", lambda v: np.stack([v, v], axis=3), "2 maps")
    yield of("named", "values per vertex", lambda v: v.reshape(-1, 1, 1), "expected a volume")
    far = AFFINE.copy()
    far[:3, 3] = 900
    yield of("named", "away from the brain", lambda v: v, affine=far)
    yield of("told", "a label without a name", lambda v: np.where(v == 4, 9, v),
             "1 of its labels", expected=partial(_lacking, area=NAMES[3]))  # fmt: skip
