"""Damage to a lab's own folder: arrays, timing, confounds, targets and ``study.json`` itself."""

import hashlib
import json
from functools import partial

import h5py
import nibabel
import numpy as np
import soundfile
from scipy.io import savemat

TARGETS = {"P1": 5, "P2": 4, "P3": 4}
ROWS = {"a": 35, "b": 25, "c": 10, "d": 10, "e": 10}  # of a, 3 before the sound and 2 after it
FILES = {"P1": "P1_a.npy", "P2": "P2.h5", "P3": "P3_a.npz"}
ENTRIES = {
    "P1": {"a": "P1_a.npy", "b": ["P1_b_1.npy", "P1_b_2.npy"], "c": "P1_c.npy", "d": "P1_d.npy",
           "e": "P1_e.npy"},
    "P2": {"a": {"file": "P2.h5", "key": "run/a"}, "b": {"file": "P2.h5", "key": "run/b"}},
    "P3": {"a": "P3_a.npz", "b": {"file": "P3_b.mat"}},
}  # fmt: skip
STUDY = {
    "encodekit_study": 1,
    "name": "lab",
    "t_r": 2.0,
    "units": "z",
    "targets": {"file": "targets.tsv"},
    "stimuli": {
        "a": {"audio": "a.wav", "words": "a.csv", "scan_starts": -6},
        "b": {"audio": "b.wav", "words": "b.TextGrid", "phones": "b.TextGrid", "scan_starts": 0},
        "c": {"audio": "c.mp3", "scan_starts": 0},
        "d": {"audio": "d.flac", "scan_starts": 0},
        "e": {"audio": "e.ogg", "scan_starts": 0},
    },
    "participants": {person: {"responses": entries} for person, entries in ENTRIES.items()},
}
STUDY["participants"]["P1"]["confounds"] = {"a": "P1_a.tsv"}


def values(person, run, repeat=0):
    """Return the array (TR, target) of a file, in SDs about 0."""
    seed = [ord(person[1]), ord(run), repeat]
    return np.random.default_rng(seed).standard_normal((ROWS[run], TARGETS[person]))


def motion():
    """Return the confounds (TR, confound) of P1 in run a."""
    return np.random.default_rng(9).standard_normal((ROWS["a"], 3)).round(6)


def without_motion(made):
    """Return what least squares on the confounds of the rows in the sound leaves, and the mean."""
    design = np.column_stack([np.ones(len(made)), motion()[3:33]])
    return made - design @ np.linalg.lstsq(design, made, rcond=None)[0] + made.mean(axis=0)


def write(layouts, stimuli, root):
    """Write the lab: two stories for three people, and three short sounds for one of them."""
    root.mkdir()
    for name, n in (("a", 60_000), ("b", 50_000)):
        layouts.write_wav(root / f"{name}.wav", n, 1000, ord(name))
    rng = np.random.default_rng(0)
    for name in ("c.mp3", "d.flac", "e.ogg"):
        kind = {"bitrate_mode": "VARIABLE", "compression_level": 0.5} if name == "c.mp3" else {}
        noise = 0.1 * rng.standard_normal(20 * 16000) * (np.arange(20 * 16000) % 9000 > 4000)
        soundfile.write(root / name, noise, 16000, **kind)
    stimuli.write_table(root / "a.csv", stimuli.spoken())
    stimuli.write_grid(layouts, root / "b.TextGrid", stimuli.spoken(), 50.0)
    for run, item in ENTRIES["P1"].items():
        for k, name in enumerate(item if isinstance(item, list) else [item]):
            np.save(root / name, values("P1", run, k))
    with h5py.File(root / "P2.h5", "w") as file:
        for run in "ab":
            file[f"run/{run}"] = values("P2", run)
    np.savez(root / "P3_a.npz", bold=values("P3", "a"))
    savemat(root / "P3_b.mat", {"bold": values("P3", "b")})
    rows = [["trans_x", "rot_y", "csf"], *(map(str, row) for row in motion().tolist())]
    (root / "P1_a.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    rows = [f"{p}\t{'left' if k % 2 else 'right'}\t{k}\tr{k}" for p, n in TARGETS.items()
            for k in range(n)]  # fmt: skip
    (root / "targets.tsv").write_text("participant\themisphere\tvertex\tregion\n" + "\n".join(rows))
    (root / "study.json").write_text(json.dumps(STUDY, indent=1))


def described(change):
    """Return a damage of ``study.json``: a change of what it holds."""

    def damage(root):
        told = json.loads((root / "study.json").read_text())
        made = change(told)
        (root / "study.json").write_text(json.dumps(told if made is None else made, indent=1))

    return damage


def put(path, item):
    """Return a damage of ``study.json``: another item at a path such as stimuli.a.scan_starts."""

    def change(told):
        *folders, last = path.split(".")
        for name in folders:
            told = told[name]
        told[last] = item

    return described(change)


def drop(path):
    def change(told):
        *folders, last = path.split(".")
        for name in folders:
            told = told[name]
        del told[last]

    return described(change)


def array(person, run, change, name=None):
    """Return a damage of one array, whatever kind of file it is in."""

    def damage(root):
        made = change(values(person, run))
        if person == "P1":
            np.save(root / (name or f"P1_{run}.npy"), made)
        elif person == "P2":
            with h5py.File(root / "P2.h5", "a") as file:
                del file[f"run/{run}"]
                file[f"run/{run}"] = made
        elif run == "a":
            np.savez(root / "P3_a.npz", bold=made)
        else:
            savemat(root / "P3_b.mat", {"bold": made})

    return damage


def lacks(run, person, rows=slice(None)):
    """Return what is expected where a participant has none of the rows of a run."""

    def expected(intact):
        name = f"{run} of {person}"
        for what in {name, f"cleaned {name}"} & intact.keys():
            intact[what] = intact[what].copy()
            intact[what][rows] = np.nan
        return intact

    return expected


def holds(run, person, made):
    """Return what is expected where a participant's run holds other values."""

    def expected(intact):
        name = f"{run} of {person}"
        clean = without_motion(made) if (run, person) == ("a", "P1") else made
        for what, here in ((name, made), (f"cleaned {name}", clean)):
            if what not in intact:
                continue
            intact[what] = np.full_like(intact[what], np.nan)
            intact[what][: len(made)] = here.astype("float32")
        return intact

    return expected


def faults(fault, stimuli):
    """Yield all faults of this layout."""
    rng = np.random.default_rng(0)
    yield from stimuli.table_faults(fault, "a.csv", "a.csv|stimulus 'a'")
    yield from stimuli.grid_faults(fault, "b.TextGrid", "b.TextGrid|stimulus 'b'", rng)
    yield from stimuli.sound_faults(fault, "a.wav", "a.wav", rng)
    for name in ("c.mp3", "d.flac", "e.ogg"):
        yield from stimuli.packed_faults(fault, name, name, rng)
    yield from _timing(fault)
    yield from _array_shapes(fault)
    yield from _array_values(fault)
    yield from _array_files(fault, stimuli)
    yield from _confounds(fault, stimuli)
    yield from _targets(fault, stimuli)
    yield from _description(fault)
    yield from _texts(fault)


def _timing(fault):
    a, b = "stimuli.a.scan_starts", "stimuli.b.scan_starts"
    entry = "participants.P2.responses"

    def own(run, **fields):
        return put(f"{entry}.{run}", {"file": "P2.h5", "key": f"run/{run}", **fields})

    sign = r"a: row 0 is said to be 6 s after.*With scan_starts: -6 "
    yield fault("named", "the wrong sign", put(a, 6), sign)
    yield fault("named", "the wrong sign", put("stimuli.a", {"audio": "a.wav", "words": "a.csv",
                                                             "first_onset": 6}), sign)  # fmt: skip
    yield fault("named", "the wrong sign", own("a", scan_starts=6), f"P2.responses.{sign}")
    for start in (-6000, 6000, 1e9):
        yield fault("named", "a start in milliseconds", put(a, start), "stimuli.a|responses.a")
        yield fault("named", "a start in milliseconds", own("b", scan_starts=start), "responses.b")
    for shift in (0.11, 0.5, 1.0, -0.7):
        yield fault("named", "a start between TRs", own("b", scan_starts=shift),
                    "P2.responses.b: row 0 is at .* from the nearest TR")  # fmt: skip
    for shift in (0.001, 0.013, -0.05, 0.09):
        yield fault("right", "a start off by milliseconds", own("b", scan_starts=shift))
    yield fault("named", "no start", drop(b), "stimuli.b: say when its scan began: scan_starts")
    for rows in ([3, 90], [9, 3], [-1, 20], [0, 3, 6], [2]):
        yield fault("named", "rows that cannot be", put("stimuli.b.rows", rows), r"b(\.|: )rows")
    yield fault("named", "a start twice", put("stimuli.b.first_onset", 0), "stimuli.b: give one of")
    onsets = [2.0 * k for k in range(25)]
    yield fault("named", "a start twice", put("stimuli.b.tr_times", onsets), "b: give one of")
    stimulus = {"audio": "b.wav", "words": "b.TextGrid", "phones": "b.TextGrid"}
    for times, says in ((onsets[:20], "25 rows but tr_times has 20"),
                        ([1000 * k for k in onsets], "milliseconds"),
                        (onsets[::-1], "stimuli.b"), ([*onsets[:5], 9.0, *onsets[6:]], "stimuli.b"),
                        ([*onsets[:5], *onsets[4:24]], "stimuli.b")):  # fmt: skip
        yield fault("named", "onsets that cannot be",
                    put("stimuli.b", {**stimulus, "tr_times": times}), says)  # fmt: skip
    late = partial(array, "P2", "b")
    for n in (3, 4, 9):

        def started(root, n=n):
            late(lambda whole: whole[n:])(root)
            own("b", scan_starts=2 * n)(root)

        yield fault("told", "a late scan", started, rf"'b', P2: has TRs {n} to 24 of 0 to 24",
                    lacks("b", "P2", slice(0, n)))  # fmt: skip
    for t_r, says in ((2000, "milliseconds|t_r"), (0, "t_r"), (-2, "t_r"), ("2", "t_r"),
                      (None, "t_r")):  # fmt: skip
        yield fault("named", "a TR that cannot be", put("t_r", t_r), says)


def _array_shapes(fault):
    people = [("P1", "c"), ("P2", "b"), ("P3", "b"), ("P2", "a"), ("P3", "a")]
    for person, run in people:
        yield fault("named", "an array transposed", array(person, run, np.transpose),
                    f'{person}.responses.{run}: .*other way round.*"transposed": true')  # fmt: skip
        for n in (1, 2, 7):
            more = np.ones((n, TARGETS[person]))
            yield fault("right", "TRs after the sound",
                        array(person, run, lambda v, more=more: np.vstack([v, more])))  # fmt: skip
        n_rows = {"a": 30}.get(run, ROWS[run])
        for n in (1, 3, 8):
            if run != "c":  # that nobody else heard
                cut = n + (2 if run == "a" else 0)
                yield fault("told", "TRs lacking", array(person, run, lambda v, n=cut: v[:-n]),
                            f"'{run}', {person}: has TRs 0 to {n_rows - n - 1} of",
                            lacks(run, person, slice(n_rows - n, None)))  # fmt: skip
        where = f"{person}.responses.{run}|{person}: |participants.{person}"
        for change in (lambda v: v[:, :-1], lambda v: np.hstack([v, v[:, :1]]), lambda v: v[:, :1]):
            yield fault("named", "other targets", array(person, run, change), where)
        for change in (lambda v: v[:0], lambda v: v[:, :0], lambda v: v[:, 0],
                       lambda v: v.ravel(), lambda v: v[None, None]):  # fmt: skip
            if not (run == "b" and person == "P3"):  # MATLAB has no vectors
                yield fault("named", "an array of another rank", array(person, run, change), where)
    yield fault("told", "TRs lacking", array("P1", "d", lambda v: v[:6]),
                "'d': the last scan ends 8 s before the sound", _six_rows)  # fmt: skip
    yield fault("named", "TRs lacking", array("P1", "a", lambda v: v[:-1]), "P1.confounds.a")
    yield fault("named", "TRs lacking", array("P1", "b", lambda v: v[:-1], "P1_b_2.npy"),
                "P1.responses.b: its repeats have the shapes")  # fmt: skip
    yield fault("named", "other targets", array("P1", "b", lambda v: v[:, :4], "P1_b_2.npy"),
                "P1.responses.b: its repeats have the shapes")  # fmt: skip


def _six_rows(intact):
    kept = {"d of", "cleaned d", "seconds of d", "cleaned seconds of d"}
    return {name: item[:6] if any(name.startswith(k) for k in kept) else item
            for name, item in intact.items()}  # fmt: skip


def _array_values(fault):
    places = [("P1", "a"), ("P2", "a"), ("P3", "a"), ("P1", "d"), ("P2", "b"), ("P3", "b")]

    def block(rows, columns, value, dtype=float):
        def change(v):
            with np.errstate(over="ignore"):
                v = v.astype(dtype)
                v[rows, columns] = value
            return v

        return change

    for person, run in places:
        says = rf"(P1_{run}.npy|P2.h5|P3_{run}.\w+) of {person}"
        for rows, columns in ((slice(5, 9), slice(None)), (7, 2), (slice(4, 9), 0),
                              (slice(4, None), 3)):  # fmt: skip
            gap = array(person, run, block(rows, columns, np.nan))
            yield fault("named", "NaN in some TRs", gap, f"{says}.*NaN in some TRs")
        for value in (np.inf, -np.inf):
            yield fault("named", "infinite values", array(person, run, block(6, 1, value)),
                        f"{says}.*infinite")  # fmt: skip
        nothing = block(slice(None), slice(None), np.nan)
        yield fault("named", "NaN throughout", array(person, run, nothing), says)
        if (person, run) != ("P3", "b"):  # MATLAB has no halves
            half = array(person, run, block(6, 1, 1e6, "f2"))
            yield fault("named", "half floats that overflow", half, f"{says}.*infinite")
        big = array(person, run, block(6, 1, 1e39))
        yield fault("named", "beyond float32", big, says)
    yield from _values_that_stay(fault, block)


def _values_that_stay(fault, block):
    """Yield damage outside the sound, other types, and what is read but told."""
    for value in (np.nan, np.inf, 1e9):
        yield fault("right", "values before the sound",
                    array("P2", "a", block(slice(0, 2), slice(None), value)))  # fmt: skip
        yield fault("right", "values after the sound",
                    array("P3", "a", block(slice(-1, None), slice(None), value)))  # fmt: skip
    for dtype in ("f4", ">f8", ">f4"):
        yield fault(
            "right", "another type of float", array("P1", "d", lambda v, d=dtype: v.astype(d))
        )
        yield fault(
            "right", "another type of float", array("P2", "b", lambda v, d=dtype: v.astype(d))
        )
    yield fault("right", "Fortran order", array("P1", "d", np.asfortranarray))
    for person, run in (("P1", "a"), ("P2", "b"), ("P3", "a")):
        for kind, change, says in (
            ("raw values that are called z", lambda v: 900 + 20 * v, 'units are "z" but'),
            ("a target of zeros", block(slice(None), 1, 0.0), "1 of . targets are 0 throughout"),
            ("a target of NaN", block(slice(None), 1, np.nan), "1 of . targets are NaN throughout"),
        ):  # fmt: skip
            made = change(values(person, run))[{"a": slice(3, 33)}.get(run, slice(None))]
            yield fault("told", kind, array(person, run, change), says, holds(run, person, made),
                        given={"confounds": True}, atol=1e-3)  # fmt: skip


def _array_files(fault, stimuli):
    for name, where in (("P1_a.npy", "P1_a.npy"), ("P2.h5", "P2.h5"), ("P3_a.npz", "P3_a.npz"),
                        ("P3_b.mat", "P3_b.mat")):  # fmt: skip
        yield from stimuli.file_faults(fault, name, where, f"array {name[-4:]}")
        for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
            damage = partial(_cut, name=name, share=share)
            yield fault("named", f"array {name[-4:]} cut short", damage, where)
    yield fault("named", "bytes after an array", partial(_append, name="P1_a.npy"), "P1_a.npy")
    for share in (0.4, 0.6, 0.8):
        flip = partial(_flip, name="P3_a.npz", share=share)
        yield fault("named", "a byte that changed", flip, "P3_a.npz")
    for key in ("run/c", "run", "a", "", "RUN/A"):
        yield fault("named", "an unknown key", put("participants.P2.responses.a.key", key),
                    "P2.responses.a: ")  # fmt: skip
    yield fault(
        "named", "no key", drop("participants.P2.responses.a.key"), "with key .run/a, run/b"
    )
    two = lambda root: np.savez(root / "P3_a.npz", bold=values("P3", "a"), mask=np.ones(3))  # noqa: E731
    yield fault(
        "named", "two arrays in an archive", two, r"P3.responses.a: .*with key \(bold, mask"
    )
    both = lambda root: savemat(root / "P3_b.mat", {"a": np.ones(3), "bold": values("P3", "b")})  # noqa: E731
    yield fault("named", "two arrays in an archive", both, r"P3.responses.b: .*with key \(a, bold")
    for name in (
        "x.nii.gz",
        "x.nii",
        "x.func.gii",
        "x.dtseries.nii",
        "x.mgz",
        "x.txt",
        "x.pkl",
        "x",
    ):
        yield fault("named", "a file of another kind", partial(_renamed, name=name),
                    "P1.responses.d: ")  # fmt: skip
    yield fault("named", "an image in place of an array", _image, "P1.responses.d: .*is an image")
    for odd in (
        np.full((10, 5), "x"),
        np.ones((10, 5)) * 1j,
        np.ones((10, 5), bool),
        np.zeros((10, 5), "M8[s]"),
        np.zeros(10, [("x", float), ("y", float)]),
    ):
        yield fault("named", "an array of no numbers", array("P1", "d", lambda _, odd=odd: odd),
                    "P1.responses.d: .*numbers")  # fmt: skip
    objects = lambda root: np.save(root / "P1_d.npy", np.array([[1, "a"]], object))  # noqa: E731
    yield fault("named", "an array of objects", objects, "P1_d.npy")
    yield from _exchanged(fault)


def _exchanged(fault):
    """Yield files that are exchanged between participants or runs, or are missing."""
    yield fault("named", "files of two people exchanged", partial(_swap, one="P1_a", other="P3_a"),
                "P[13].responses")  # fmt: skip
    exchanged = put(
        "participants.P2.responses",
        {"a": {"file": "P2.h5", "key": "run/b"}, "b": {"file": "P2.h5", "key": "run/a"}},
    )
    yield fault("told", "files of two runs exchanged", exchanged, "'a', P2: has TRs 0 to 21 of",
                lambda intact: holds("a", "P2", values("P2", "b")[3:])(
                    holds("b", "P2", values("P2", "a")[:25])(intact)))  # fmt: skip
    exchanged = put("participants.P1.responses.a", "P1_d.npy")
    yield fault("named", "files of two runs exchanged", exchanged, "P1.(responses|confounds).a")
    for person in ("P2", "P3"):
        for run in "ab":
            yield fault("told", "a missing run", drop(f"participants.{person}.responses.{run}"),
                        f"{person}: .*lacks {run}", lacks(run, person))  # fmt: skip
    for path in ("participants.P2.responses", "participants.P3"):
        yield fault("named", "nothing in it", put(path, {}), path)


def _cut(root, name, share):
    path = root / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _append(root, name):
    with (root / name).open("ab") as file:
        file.write(bytes(64))


def _flip(root, name, share):
    content = bytearray((root / name).read_bytes())
    content[int(len(content) * share)] ^= 0x55
    (root / name).write_bytes(content)


def _renamed(root, name):
    (root / "P1_d.npy").rename(root / name)
    put("participants.P1.responses.d", name)(root)


def _image(root):
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 10), "f4"), np.eye(4))
    nibabel.save(image, root / "x.nii.gz")
    put("participants.P1.responses.d", "x.nii.gz")(root)


def _swap(root, one, other):
    first, second = values("P1", "a"), values("P3", "a")
    np.save(root / f"{one}.npy", second)
    np.savez(root / f"{other}.npz", bold=first)


def _confounds(fault, stimuli):
    says = "P1.confounds.a: "
    yield from stimuli.file_faults(fault, "P1_a.tsv", "P1_a.tsv|P1.confounds.a", "confounds")

    def of(verdict, kind, change, more=says, **told):
        damage = stimuli.rewritten("P1_a.tsv", stimuli.of_lines(change))
        return fault(verdict, f"confounds: {kind}", damage, more, given={"confounds": True}, **told)

    def cell(row, text, column=1):
        def change(lines):
            cells = lines[row + 1].split("\t")
            cells[column] = text
            return [*lines[: row + 1], "\t".join(cells), *lines[row + 2 :]]

        return change

    for row in (3, 4, 20, 32):
        for text in ("n/a", "NaN", "", "x", "1,5", "inf"):
            yield of("named", "a cell that is no number", cell(row, text))
    for text in ("n/a", "", "NaN"):
        yield of("right", "n/a before the sound", cell(0, text))
        yield of("right", "n/a before the sound", cell(2, text))
        yield of("right", "n/a after the sound", cell(34, text))
    for n in (1, 2, 7, 30):
        yield of("named", "rows lacking", lambda lines, n=n: lines[:-n])
    yield of("named", "a row too many", lambda lines: [*lines, lines[-1]])
    yield of("named", "no header", lambda lines: lines[1:])
    yield of("named", "a column of text", lambda lines: [f"{line}\tfine" for line in lines])
    yield of("named", "a column without a name",
             lambda lines: [f"\t{lines[0]}", *_numbered(lines[1:])])  # fmt: skip
    yield of("named", "names of rows", lambda lines: [lines[0], *_numbered(lines[1:])])
    yield of("named", "two columns of a name", lambda lines: ["csf\tcsf\tx", *lines[1:]])
    yield of("named", "a row too short", lambda lines: [*lines[:9], "0.5\t0.1", *lines[10:]])
    for sign in (",", ";", " "):
        yield of("named", "another separator",
                 lambda lines, sign=sign: [line.replace("\t", sign) for line in lines])  # fmt: skip
    yield of("named", "decimal commas", lambda lines: [line.replace(".", ",") for line in lines])
    yield of("right", "all cells quoted", lambda lines: [
        "\t".join(f'"{cell}"' for cell in line.split("\t")) for line in lines])  # fmt: skip
    entry = "participants.P1.confounds"
    for item, more in (({"b": "P1_a.tsv"}, "P1.confounds.b"), ({"x": "P1_a.tsv"}, "P1.confounds.x"),
                       ({"a": {"file": "P1_a.tsv", "columns": ["trans_z"]}}, "'trans_z'"),
                       ({"a": {"file": "P1_a.tsv", "columns": []}}, "columns"),
                       ({"a": ["P1_a.tsv", "P1_a.tsv"]}, "2 tables for 1"),
                       ({"a": "P1_a.npy", "b": "P1_b_1.npy"}, "1 tables for 2")):  # fmt: skip
        yield fault("named", "confounds of another run", put(entry, item), more)


def _numbered(lines):
    return [f"{k}\t{line}" for k, line in enumerate(lines)]


def _targets(fault, stimuli):
    yield from stimuli.file_faults(fault, "targets.tsv", "targets.tsv", "targets")

    def of(kind, change, says):
        damage = stimuli.rewritten("targets.tsv", stimuli.of_lines(change))
        return fault("named", f"targets: {kind}", damage, says)

    for k, person in ((3, "P1"), (7, "P2"), (12, "P3")):
        yield of("a row lacks", lambda rows, k=k: [*rows[:k], *rows[k + 1 :]], person)
        yield of("a row twice", lambda rows, k=k: [*rows[:k], rows[k], *rows[k:]], person)
    for old, new, says in (("right", "top", "P1.targets.*'top'"), ("\t3\t", "\t3.5\t", "3.5"),
                           ("\t3\t", "\tx\t", "'x'"), ("\t3\t", "\t\t", "vertex of target"),
                           ("\t3\t", "\t-3\t", "-3"), ("P2", "p2", "P2"),
                           ("vertex", "vertx", "vertx"),
                           ("participant", "person", "targets")):  # fmt: skip
        yield of("a cell that cannot be", lambda rows, o=old, n=new: [
            *"\n".join(rows).replace(o, n, 1).split("\n")], says)  # fmt: skip
    yield of("a participant lacks", lambda rows: [r for r in rows if "P2" not in r], "P2.targets")
    yield of("a vertex twice", lambda rows: [row.replace("\t3\tr3", "\t1\tr3") for row in rows],
             "P1")  # fmt: skip


def _description(fault):
    for path, item, says in (
        ("stimuli.a.scan_start", -6, "stimuli.a.scan_start: unknown field"),
        ("unit", "z", "unit: unknown field"),
        ("participants.P1.response", {}, "P1.response: unknown field"),
        ("participants.P2.responses.a.keys", "x", "P2.responses.a.keys: unknown field"),
        ("stimuli.a.audio", 3, "stimuli.a.audio"),
        ("stimuli.a.scan_starts", "-6", "stimuli.a.scan_starts"),
        ("stimuli.a.scan_starts", None, "stimuli.a: say when"),
        ("stimuli.a.rows", "3-20", "stimuli.a.rows"),
        ("stimuli", ["a", "b"], "stimuli"),
        ("participants", [], "participants"),
        ("participants.P1", "P1_a.npy", "participants.P1"),
        ("participants.P1.responses.a", 5, "P1.responses.a"),
        ("participants.P1.responses.a", [], "P1.responses.a"),
        ("participants.P1.responses.z", "P1_a.npy", "P1.responses.z"),
        ("participants.P1.responses.A", "P1_a.npy", "P1.responses.A"),
        ("encodekit_study", 2, "encodekit_study"),
        ("encodekit_study", True, "encodekit_study"),
        ("encodekit_study", "1", "encodekit_study"),
        ("sample_offset", -1, "sample_offset"),
        ("sample_offset", "1", "sample_offset"),
        ("space", 5, "space"),
        ("name", None, "name"),
        ("stimuli.a.audio", "A.wav", "A.wav"),
        ("stimuli.a.audio", "a.csv", "a.csv"),
        ("stimuli.a.words", "a.wav", "a.wav"),
        ("stimuli.a.words", {"file": "b.TextGrid", "tier": "wrods"}, "unknown tier 'wrods'"),
        ("stimuli.a.words", {"file": "a.csv", "label": "wort"}, "'wort'"),
        ("stimuli.a.words", {"file": "a.csv", "silence": "sp"}, "silence"),
        ("stimuli.b.phones", {"file": "b.TextGrid", "tier": "phonez"}, "'phonez'"),
        ("sha256", {"a.wav": "0" * 64}, "a.wav"),
        ("sha256", {"a.wav": "0" * 63}, "sha256.a.wav"),
        ("sha256", {"a.wav": 5}, "sha256.a.wav"),
        ("participants.P1.responses.d", {"file": "P1_d.npy", "index": 90}, "index 90"),
        ("participants.P1.responses.d", {"file": "P1_d.npy", "transposed": True}, "P1.responses.d"),
        ("participants.P1.responses.d", {"file": "P1_d.npy", "transposed": "no"}, "transposed"),
    ):  # fmt: skip
        yield fault("named", "study.json: a field", put(path, item), says)
    for path in ("encodekit_study", "name", "t_r", "stimuli", "participants",
                 "participants.P1.responses", "stimuli.b"):  # fmt: skip
        yield fault("named", "study.json: a field lacks", drop(path), path.split(".")[-1])
    yield fault("named", "a file that changed", _changed_since, "P1_d.npy")
    yield fault("right", "study.json: an empty field", put("description", None))
    yield fault("right", "study.json: defaults written out", put("space", "native"))


def _changed_since(root):
    """List the sums of all files, and change one."""
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in root.iterdir()
            if p.name != "study.json"}  # fmt: skip
    put("sha256", sums)(root)
    np.save(root / "P1_d.npy", values("P1", "d") + 1e-3)


def _texts(fault):
    """Yield ``study.json`` that is no JSON, or in another encoding."""

    def of(verdict, change):
        def damage(root):
            text = (root / "study.json").read_text()
            made = change(text)
            (root / "study.json").write_bytes(made if isinstance(made, bytes) else made.encode())

        return fault(verdict, "study.json: its text", damage, "study.json")

    for share in (0.0, 0.2, 0.5, 0.8, 0.99):
        yield of("named", lambda text, share=share: text[: int(len(text) * share)])
    yield of("named", lambda text: text.replace('"t_r": 2.0,', '"t_r": 2.0', 1))
    yield of("named", lambda text: text.replace('"t_r": 2.0,', '"t_r": 2.0,,', 1))
    yield of("named", lambda text: text.replace("{", "{ // a comment", 1))
    yield of("named", lambda text: text.replace('"', "'"))
    yield of("named", lambda text: text.replace('"t_r": 2.0', '"t_r": NaN'))
    yield of("named", lambda text: text.replace('"t_r": 2.0', '"t_r": 1e999'))
    yield of("named", lambda text: text.replace('"t_r": 2.0,', '"t_r": 2.0, "t_r": 1.5,'))
    yield of("named", lambda text: text.replace('"lab"', '"l\x00ab"'))
    yield of("named", lambda text: text.replace('"lab"', '"läb"').encode("latin-1"))
    yield of("named", lambda text: text.encode("utf-16"))
    yield of("named", lambda text: f"[{text}]")
    yield of("named", lambda text: text + text)
    yield of("right", lambda text: b"\xef\xbb\xbf" + text.encode())
    yield of("right", lambda text: text.replace("\n", "\r\n"))
    yield of("right", lambda text: text.replace("\n", " "))
