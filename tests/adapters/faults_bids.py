"""Damage to an output of fMRIPrep: names, images, events, sidecars, confounds and sounds."""

import gzip
import json
import shutil
from functools import partial

import nibabel
import numpy as np

MNI, SURFACE = "MNI152NLin2009cAsym", "fsaverage5"
PEOPLE = {"01": "ab", "02": "ba"}  # what each heard in run 1 and run 2
N_TRS, T_R, ONSET, DURATION = 40, 2.0, 6.0, 66.0
FUNC = "derivatives/fmriprep/sub-{0}/func/sub-{0}_task-story_run-{1}"
EVENTS = "sub-{0}/func/sub-{0}_task-story_run-{1}_events.tsv"
EVERYBODY = "sub-0[12]"
EVENT = [ONSET, DURATION, "story"]
# an error names the scan, its files, or the sound
SCAN = r"sub-01(, |_)task-story_run-1|sub-01/"


def write(layouts, stimuli, root, space):
    """Write two people who heard two stories in other orders, in one space."""
    for person, order in PEOPLE.items():
        for k, story in enumerate(order, 1):
            layouts.write_scan(
                root, f"sub-{person}_task-story_run-{k}", n_trs=N_TRS, t_r=T_R, space=space,
                seed=2 * int(person) + 10 * k + 1, sound=f"{story}.wav", onset=ONSET,
                duration=DURATION)  # fmt: skip
    stimuli.write_table(root / "stimuli/a.csv", stimuli.spoken())
    stimuli.write_grid(layouts, root / "stimuli/b.TextGrid", stimuli.spoken(), 50.0)


def func(name, person="01", run=1):
    return FUNC.format(person, run) + name


def events(person="01", run=1):
    return EVENTS.format(person, run)


def images(space):
    """Return the names of the images of a scan, after its own name."""
    if space == SURFACE:
        return [f"_hemi-{side}_space-{space}_bold.func.gii" for side in "LR"]
    return [f"_space-{space}_desc-{what}.nii.gz" for what in ("preproc_bold", "brain_mask")]


def lacks(run, person):
    def expected(intact):
        name = f"{run} of sub-{person}"
        return {**intact, name: np.full_like(intact[name], np.nan)}

    return expected


def loaded(root, load, **given):
    return load("bids", root=root, task="story", **{"confounds": None, **given})


def surface_faults(fault, stimuli, layouts):
    """Yield all faults of surfaces, and those of events, sidecars, sounds and words."""
    rng = np.random.default_rng(0)
    a, b = ("stimuli/a.csv", "stimuli/a.wav"), "stimuli/b.TextGrid"
    yield from stimuli.table_faults(fault, a[0], "a.csv|stimulus 'a'", needed=False)
    yield from stimuli.grid_faults(fault, b, "b.TextGrid|stimulus 'b'", rng, needed=False)
    for name, run in ((a[0], "a"), (b, "b")):
        yield fault("told", "words missing", lambda root, name=name: (root / name).unlink(),
                    r"\(100 words\)", partial(_wordless, run=run))  # fmt: skip
    yield from stimuli.sound_faults(fault, a[1], r"a.wav|after the end of 'a'", rng)
    yield from _names(fault, SURFACE)
    yield from _surfaces(fault, stimuli, layouts)
    yield from _events_files(fault, stimuli)
    yield from _events_times(fault, stimuli)
    yield from _heard(fault, stimuli)
    yield from _sidecars(fault)
    yield from _confounds(fault, stimuli)


def _wordless(intact, run):
    return {k: v for k, v in intact.items() if k not in (f"words of {run}", f"phones of {run}")}


def volume_faults(fault, stimuli, layouts):
    """Yield all faults of volumes."""
    yield from _names(fault, MNI)
    yield from _volumes(fault, stimuli, layouts)


def grayordinate_faults(fault, stimuli):
    """Yield all faults of grayordinates, in the layout of `layouts.write_bids`."""
    name, where = func("_space-fsLR_den-91k_bold.dtseries.nii"), r"sub-01(, |_)task-story_run-1"
    yield from stimuli.file_faults(fault, name, where, "CIFTI", needed=False)
    for share in (0.02, 0.2, 0.5, 0.8, 0.95, 0.999):
        yield fault("named", "CIFTI cut short", partial(_cut, name=name, share=share), where)

    def rewritten(change, *, start=0.0, step=1.5, models=lambda axis: axis):
        def damage(root):
            image = nibabel.load(root / name)
            # a copy: nibabel gives a view of the file, which is written below
            values = change(image.get_fdata(dtype="f4").copy())
            axis = models(image.header.get_axis(1))
            series = nibabel.cifti2.SeriesAxis(start, step, len(values))
            nibabel.save(nibabel.Cifti2Image(values, (series, axis)), root / name)

        return damage

    for step in (0.75, 1.0, 2.0, 1500.0):
        yield fault("named", "CIFTI of another TR", rewritten(lambda v: v, step=step), where)
    other = r"sub-01, task-story_run-2 has another grid than task-story_run-1"
    for n in (8, 6, 5):
        fewer = rewritten(lambda v, n=n: v[:, :n], models=lambda axis, n=n: axis[:n])
        kept = fault("right", "CIFTI of other voxels", fewer)
        yield kept if n > 4 else fault("named", "CIFTI of other vertices", fewer, other)
    for places in ([0, 1, 3, 4], [0, 1, 2, 3], [3, 4], [5, 6, 7]):
        fewer = rewritten(lambda v, k=places: v[:, k], models=lambda axis, k=places: axis[k])
        yield fault("named", "CIFTI of other vertices", fewer, f"{other}|holds no cortex")
    yield fault(
        "named",
        "CIFTI of other vertices",
        rewritten(lambda v: v[:, [1, 0, 2, 3, 4]], models=lambda axis: axis[[1, 0, 2, 3, 4]]),
        other,
    )
    for n in (5, 12):
        yield fault("named", "TRs lacking", rewritten(lambda v, n=n: v[:-n]), where)
    for rows, columns, value in _blocks():
        if columns != slice(None) or rows != slice(None):
            change = partial(_set, rows=rows, columns=columns, value=value)
            yield fault("named", "values that are none", rewritten(change), where)
    yield fault("named", "values that are none", rewritten(lambda v: v * np.nan), where)


def copied(more, space, *, instead=None, change=lambda name: name):
    """Copy the images of a scan under another name: ``instead`` replaced by ``more``."""

    def damage(root):
        for name in images(space):
            old = root / func(name)
            new = old.with_name(change(old.name.replace(instead, more)))
            shutil.copy(old, new)

    return damage


def moved(old, new, space):
    def damage(root):
        for name in images(space):
            path = root / func(name)
            path.rename(path.with_name(path.name.replace(old, new)))

    return damage


def _names(fault, space):
    derived, acquired = f"space-{space}", "run-1"
    for more in ("cohort-1", "res-2", "den-10k", "res-native"):
        yield fault("named", "names: two variants of a scan",
                    copied(f"{derived}_{more}", space, instead=derived),
                    "sub-01: . files compete for one run")  # fmt: skip
    for more in ("echo-1", "part-phase", "rec-moco", "echo-2_part-mag"):
        yield fault("named", "names: two variants of a scan",
                    copied(f"{acquired}_{more}", space, instead=acquired),
                    "sub-01: . files compete for one run")  # fmt: skip
    yield fault("named", "names: a piece of a run",
                moved(acquired, f"{acquired}_split-1", space), "pieces of runs")  # fmt: skip
    yield fault(
        "named",
        "names: a piece of a run",
        copied(f"{acquired}_split-2", space, instead=acquired),
        "pieces of runs",
    )
    for more in ("acq-x", "dir-PA", "ce-gad", "mod-x"):
        yield fault(
            "right",
            "names: a copy as another scan",
            copied(f"task-story_{more}", space, instead="task-story"),
            atol=1e-6,
        )
    for old, new in (("run-1", "run-01"), ("run-1", "run-001")):
        yield fault("right", "names: another way to write a number", moved(old, new, space))
    for old, new in (("task-story", "task-stori"), (f"space-{space}", "space-T1w"),
                     ("sub-01", "sub-03"), ("_bold", "_bald"), ("run-1", "run-1 (1)")):  # fmt: skip
        yield fault("told", "names: a scan by another name", moved(old, new, space),
                    "sub-01: .*lacks a", lacks("a", "01"))  # fmt: skip
    yield from _strays(fault, space)


def _strays(fault, space):
    """Yield files and folders that are no data."""
    for stray in ("._{}", ".{}", "{}~", "{}.bak", "Copy of {}", "{}.tmp", "_{}", "~${}"):
        for name in images(space):
            yield fault("right", "a stray file", partial(_stray, name=func(name), stray=stray))
    for name in (events(), func("_desc-confounds_timeseries.tsv"),
                 func(f"_space-{space}_bold.json")):  # fmt: skip
        for stray in ("._{}", ".{}", "{}~", "{}.bak", "Copy of {}"):
            yield fault("right", "a stray file", partial(_stray, name=name, stray=stray))
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt", "sub-01.html"):
        yield fault(
            "right",
            "a stray file",
            lambda root, name=name: (root / func("x")).with_name(name).write_text("x"),
        )
    for name in ("sub-03/func", "sub-01/anat", "logs", "sub-01/ses-1/func"):
        yield fault("right", "an empty folder", lambda root, name=name: (
            _made(root / "derivatives/fmriprep" / name) / ".keep").write_text(""))  # fmt: skip


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _stray(root, name, stray):
    path = root / name
    path.with_name(stray.format(path.name)).write_bytes(b"\0\x05\x16\x07")


def _surfaces(fault, stimuli, layouts):
    left, right = images(SURFACE)

    def rewritten(change, side="L", **more):
        """Write a hemisphere of a scan anew; ``change`` is of its values (time, vertex)."""

        def damage(root):
            path = root / func(f"_hemi-{side}_space-{SURFACE}_bold.func.gii")
            stored = np.stack([array.data for array in nibabel.load(path).darrays])
            layouts.write_gifti(path, change(stored), more.get("said", side))

        return damage

    for name in (left, right):
        yield from stimuli.file_faults(fault, func(name), SCAN, "surface")
        for share in (0.05, 0.2, 0.5, 0.8, 0.95, 0.999):
            yield fault("named", "surface cut short",
                        partial(_cut, name=func(name), share=share), SCAN)  # fmt: skip
    yield fault("named", "hemispheres exchanged", _exchanged, "mislabelled")
    yield fault("named", "hemispheres exchanged", rewritten(lambda v: v, said="R"), "mislabelled")
    for n in (1, 2, 9):
        yield fault("named", "surface of another length", rewritten(lambda v, n=n: v[:-n]), SCAN)
        yield fault("named", "surface of another length",
                    rewritten(lambda v, n=n: np.vstack([v, v[:n]])), SCAN)  # fmt: skip
    yield fault(
        "named", "surface of another mesh", rewritten(lambda v: v[:, :2]), r"sub-01.*another grid"
    )
    yield fault("named", "surface of another mesh", rewritten(lambda v: np.hstack([v, v])),
                r"sub-01.*another grid")  # fmt: skip
    for rows, columns, value in _blocks():
        yield fault(
            "named",
            "values that are none",
            rewritten(partial(_set, rows=rows, columns=columns, value=value)),
            SCAN,
        )
    yield fault("right", "a vertex of NaN, which is missing",
                rewritten(partial(_set, rows=slice(None), columns=1, value=np.nan)),
                expected=partial(_column, value=np.nan))  # fmt: skip


def _column(intact, value):
    made = intact["a of sub-01"].copy()
    made[:, 1] = value
    return {**intact, "a of sub-01": made}


def _blocks():
    yield slice(9, 14), slice(None), np.nan
    yield 12, 1, np.nan
    yield 12, 1, np.inf
    yield slice(15, None), 2, -np.inf
    yield slice(None), slice(None), np.nan


def _set(values, rows, columns, value):
    made = values.copy()
    made[rows, columns] = value
    return made


def _cut(root, name, share):
    path = root / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _exchanged(root):
    left, right = (root / func(name) for name in images(SURFACE))
    held = left.read_bytes()
    left.write_bytes(right.read_bytes())
    right.write_bytes(held)


def _volumes(fault, stimuli, layouts):
    bold, mask = images(MNI)

    def rewritten(change, name=bold, **header):
        def damage(root):
            image = nibabel.load(root / func(name))
            made = nibabel.Nifti1Image(change(image.get_fdata(dtype="f4")),
                                       header.get("affine", image.affine))  # fmt: skip
            made.header.set_xyzt_units("mm", header.get("unit", "sec"))
            if made.ndim == 4:
                made.header.set_zooms((*made.header.get_zooms()[:3], header.get("t_r", T_R)))
            nibabel.save(made, root / func(name))

        return damage

    yield from _damaged_volumes(fault, stimuli, bold, mask)
    yield from _other_grids(fault, layouts)
    for value in (np.nan, np.inf):
        outside = partial(_outside, value=value)
        yield fault("right", "no number outside the mask", rewritten(outside))
    for scale in (1.0, 2.0, 3.1):
        affine = np.diag([scale, scale, scale, 1.0])
        for name in (bold, mask):
            same = rewritten(lambda v: v, name, affine=affine)
            yield fault("named", "volume of another affine", same, SCAN)
    for change in (lambda v: v[..., 0], lambda v: v[:, :, :1], lambda v: v.transpose(1, 0, 2, 3)):
        yield fault("named", "volume of another shape", rewritten(change), SCAN)
    yield fault("named", "mask of another shape", rewritten(lambda v: v[:2], mask), SCAN)
    yield fault("named", "mask of nothing", rewritten(lambda v: 0 * v, mask), SCAN)
    for rows, columns, value in _blocks():
        change = partial(_set_volume, rows=rows, columns=columns, value=value)
        yield fault("named", "values that are none", rewritten(change), SCAN)
    yield from _headers(fault, rewritten)
    yield fault("right", "not packed", partial(_unpacked, name=func(bold)))


def _damaged_volumes(fault, stimuli, bold, mask):
    for name in (bold, mask):
        yield from stimuli.file_faults(fault, func(name), SCAN, "volume", needed=name == mask)
        for share in (0.05, 0.2, 0.5, 0.8, 0.95, 0.99):
            yield fault("named", "volume cut short",
                        partial(_cut, name=func(name), share=share), SCAN)  # fmt: skip
            yield fault("named", "volume cut short before it was packed",
                        partial(_packed, name=func(name), share=share), SCAN)  # fmt: skip
        yield fault("named", "a byte that changed", partial(_flip, name=func(name)), SCAN)
    yield fault("told", "volume missing", lambda root: (root / func(bold)).unlink(),
                "sub-01: .*lacks a", lacks("a", "01"))  # fmt: skip


def _other_grids(fault, layouts):
    for run in (1, 2):
        for size in (1.0, 2.0, 4.0):
            moved_grid = partial(layouts.move_grid, run=run, size=size)
            yield fault("named", "a scan on another grid", moved_grid, "sub-01.*another grid")


def _headers(fault, rewritten):
    for t_r in (0.75, 1.0, 1.99, 3.0):
        yield fault("named", "a header of another TR", rewritten(lambda v: v, t_r=t_r), SCAN)
    yield fault("right", "a header in milliseconds", rewritten(lambda v: v, t_r=2000, unit="msec"))
    yield fault("right", "a header without a TR", rewritten(lambda v: v, t_r=0))
    yield fault("right", "no sidecar",
                lambda root: (root / func(f"_space-{MNI}_bold.json")).unlink())  # fmt: skip


def _set_volume(values, rows, columns, value):
    flat = values.reshape(-1, values.shape[-1]).T
    inside = [1, 5, 7, 20]
    where = inside if columns == slice(None) else [inside[columns]]
    for column in where:
        flat[rows, column] = value
    return flat.T.reshape(values.shape)


def _outside(values, value):
    flat = values.reshape(-1, values.shape[-1]).copy()
    flat[[0, 2, 23], 5:9] = value
    return flat.reshape(values.shape)


def _packed(root, name, share):
    path = root / name
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[: int(len(content) * share)]))


def _unpacked(root, name):
    path = root / name
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()


def _flip(root, name):
    content = bytearray((root / name).read_bytes())
    content[len(content) // 2] ^= 0x55
    (root / name).write_bytes(content)


def _events_files(fault, stimuli):
    where = f"{SCAN}|events"
    yield from stimuli.file_faults(fault, events(), where, "events")

    def of(verdict, kind, change, says=where, **more):
        return fault(verdict, f"events: {kind}", stimuli.rewritten(events(), change), says, **more)

    def accented(text, k):
        return list(stimuli.encodings(text.rstrip("\n") + "\n0\t1\tmétro\tn/a\n"))[k][2]

    for k, (verdict, kind, _) in enumerate(stimuli.encodings("")):
        yield of(verdict, kind, partial(accented, k=k))
    lines = stimuli.of_lines
    for k, column in enumerate(("onset", "duration", "trial_type", "stim_file")):
        if column != "trial_type":
            yield of("named", "a column lacks", lines(partial(_without, k=k)))
            yield of("named", "a column of another name", stimuli.swap(column, column.upper()))
    yield of("right", "no trial_type", lines(partial(_without, k=2)))
    for sign in (",", ";", " ", "|"):
        yield of("named", "another separator", lambda text, sign=sign: text.replace("\t", sign))
    yield of("named", "no header", lines(lambda rows: rows[1:]))
    yield of("named", "no rows", lines(lambda rows: rows[:1]))
    yield of("named", "a row too short", lambda text: text.replace("\ta.wav", ""))
    yield of("named", "a row too long", lambda text: text.replace("a.wav", "a.wav\tx"))
    yield of("named", "a column twice", stimuli.swap("trial_type", "onset"))
    yield of("named", "a line break in a cell", stimuli.swap("\tstory\t", '\t"sto\nry"\t'))
    yield of(
        "right",
        "all cells quoted",
        lambda text: "\n".join(
            "\t".join(f'"{cell}"' for cell in row.split("\t")) for row in text.split("\n")[:2]
        ),
    )
    yield of("right", "a lone quotation mark", stimuli.swap("\tstory\t", '\t"story\t'))
    yield of("right", "a row twice", lines(lambda rows: [*rows, rows[1]]))
    yield of("right", "columns in another order", lines(lambda rows: [
        "\t".join(row.split("\t")[::-1]) for row in rows]))  # fmt: skip
    yield of("right", "another column", lines(lambda rows: [
        rows[0] + "\tnote", *(f"{row}\tx" for row in rows[1:])]))  # fmt: skip
    yield of("right", "a line is empty", lambda text: text + "\n")

    def beside(root, name):
        (root / name).write_text((root / events()).read_text().replace("66.0", "50.0"))

    for name in ("task-story_events.tsv", "sub-01/sub-01_task-story_events.tsv"):
        yield fault("right", "events farther away", partial(beside, name=name))
    two = partial(beside, name=events().replace("run-1", "run-01"))
    yield fault("named", "two events files", two, "2 events files hold for it alike")
    yield fault("named", "events by another name", partial(
        _renamed, old=events(), new=events().replace("run-1", "run-3")), where)  # fmt: skip
    yield fault("named", "events by another name", partial(
        _renamed, old=events(), new=events().replace(".tsv", ".csv")), where)  # fmt: skip


def _without(rows, k):
    return ["\t".join(cell for n, cell in enumerate(row.split("\t")) if n != k) for row in rows]


def _renamed(root, old, new):
    (root / old).rename(root / new)


def timed(person, run, onset=ONSET, duration=DURATION, kind="story", sound=None, more=()):
    """Return a damage: the events of a scan anew."""

    def damage(root):
        heard = PEOPLE[person][run - 1] + ".wav" if sound is None else sound
        rows = [(onset, duration, kind, heard), *more]
        text = "onset\tduration\ttrial_type\tstim_file\n"
        text += "".join("\t".join(map(str, row)) + "\n" for row in rows)
        (root / events(person, run)).write_text(text)

    return damage


def _events_times(fault, stimuli):
    where = f"{SCAN}|'a'"
    for text in ("n/a", "", "x", "6,0", "nan", "inf", "-inf", "6 s", "1_0"):
        yield fault("named", "an onset that is no number", timed("01", 1, onset=text), where)
        yield fault("named", "a duration that is no number", timed("01", 1, duration=text), where)
    for onset in (6000, 500, 1e9, -500, 79.5, 40):
        yield fault("named", "an onset outside the scan", timed("01", 1, onset=onset), where)
    for duration in (66000, 1e9, 0, -5, 300):
        yield fault("named", "a duration that cannot be", timed("01", 1, duration=duration), where)
    for later in (0.001, 0.013, -0.02, 0.05, 0.09, -0.09):
        jittered = timed("02", 2, onset=ONSET + later)
        yield fault("right", "an onset off by milliseconds", jittered)
    for later in (0.11, 0.3, 0.6, 1.0, -0.5, -0.99):
        yield fault("named", "an onset between TRs", timed("02", 2, onset=ONSET + later),
                    "sub-02, task-story_run-2 by .* ms")  # fmt: skip
        yield fault("named", "an onset between TRs", timed("01", 1, onset=ONSET + later),
                    "'a': . of 2 scans are sampled away")  # fmt: skip
    yield fault("told", "onset and duration exchanged", timed("01", 1, DURATION, ONSET),
                "sub-01: .*3 of 33 TRs in a", _three_rows)  # fmt: skip
    for n, duration in ((25, 50), (10, 20), (1, 2)):
        yield fault("told", "a shorter duration", timed("01", 1, duration=duration),
                    f"sub-01: .*{n} of 33 TRs in a", partial(_first_rows, n=n))  # fmt: skip


def _three_rows(intact):
    """The sound is said to begin at 66 s: rows 0 to 2 are volumes 33 to 35, rows 30 to 32 else."""
    made = np.full_like(intact["a of sub-01"], np.nan)
    made[:3] = intact["a of sub-01"][30:33]
    return {**intact, "a of sub-01": made}


def _first_rows(intact, n):
    made = intact["a of sub-01"].copy()
    made[n:] = np.nan
    return {**intact, "a of sub-01": made}


def _heard(fault, stimuli):
    where = f"{SCAN}|stim_files"
    for sound in ("n/a", "", "a", "A.wav", "c.wav", "a.mp3", "a.png", "a.mp4", "a.txt", "a.wav.",
                  "../../a.wavv", "stimuli"):  # fmt: skip
        yield fault("named", "a sound that is not there", timed("01", 1, sound=sound), where)
    for sound in ("stimuli/a.wav", "./a.wav", "C:\\lab\\a.wav", " a.wav ",
                  "stimuli\\a.wav", "/data/stimuli/a.wav"):  # fmt: skip
        yield fault("right", "another way to name a sound", timed("01", 1, sound=sound))
    yield fault("named", "two folders of a sound", timed("01", 1, sound="x/a.wav"), where)
    for rows in ([(0.0, 5.0, "cross", "cross.png")], [(75, 2, "question", "n/a")],
                 [(0, 5, "film", "a.mp4"), (74, 1, "key", "")]):  # fmt: skip
        yield fault("right", "rows that are no sounds", timed("01", 1, more=rows))
    beep = [(1.0, 0.5, "beep", "b.wav")]
    yield fault("named", "rows of another sound", timed("01", 1, more=beep), where)
    yield fault("right", "rows of another sound", timed("01", 1, more=beep),
                given={"trial_type": "story"})  # fmt: skip
    for kind in ("Story", "stroy", "", "story2"):
        yield fault("named", "an unknown trial_type", timed("01", 1, kind=kind), SCAN,
                    given={"trial_type": "story"})  # fmt: skip
    yield fault("told", "the sound of another scan", timed("01", 1, sound="b.wav"),
                "sub-01: .*heard 2 times.*lacks a", _twice, atol=1e-6)  # fmt: skip
    yield fault("named", "a sound twice in a scan",
                timed("01", 1, duration=30, more=[(70, 30, "story", "a.wav")]), where)  # fmt: skip
    yield fault("named", "one sound for two", timed("01", 1, sound="x/b.wav"), where)


def _twice(intact):
    first, second = intact["a of sub-01"], intact["b of sub-01"]
    return {
        **intact,
        "a of sub-01": np.full_like(first, np.nan),
        "b of sub-01": (first + second) / 2,
    }


def _sidecars(fault):
    own = func(f"_space-{SURFACE}_bold.json")

    def beside(told, name=own):
        def damage(root):
            text = told if isinstance(told, str) else json.dumps(told)
            (root / name).write_text(text)

        return damage

    for t_r in (
        0,
        -2,
        2000,
        200,
        0.02,
        "2.0",
        "2 s",
        [2.0],
        None,
        float("nan"),
        float("inf"),
        True,
    ):
        yield fault("named", "a sidecar's TR that cannot be", beside({"RepetitionTime": t_r}), SCAN)
    for t_r in (1.0, 1.5):
        yield fault("named", "a sidecar of another TR", beside({"RepetitionTime": t_r}), SCAN)
    for text in ("", "{", '{"RepetitionTime": 2.0', "[2.0]", "2.0", "null", "RepetitionTime: 2",
                 '{"RepetitionTime": 2,0}'):  # fmt: skip
        yield fault("named", "a sidecar that is damaged", beside(text), SCAN)
    yield fault("named", "no sidecar", lambda root: (root / func(
        f"_space-{SURFACE}_bold.json")).unlink(), SCAN)  # fmt: skip
    for start in (0.0, 0.5, 1.5, 2.0, "x", [1.0], -1.0, 1000, 5.0, 3.0, float("nan"), 61.0):
        told = {"RepetitionTime": 2.0, "StartTime": start}
        yield fault("named", "a StartTime that cannot be", beside(told), f"{SCAN}|'a'")
    for name in ("task-story_bold.json", "sub-01/sub-01_task-story_bold.json",
                 "sub-01/func/sub-01_task-story_run-1_bold.json"):  # fmt: skip
        yield fault("right", "a sidecar farther away", beside({"RepetitionTime": 3.0}, name))
        yield fault("named", "a sidecar that is damaged", beside("{", name), "bold.json")
    for key, value in (("EchoTime", 0.03), ("SliceTiming", [0, 1]), ("StartTime", 1.0),
                       ("RepetitionTime", 2.0000004)):  # fmt: skip
        yield fault("right", "more in a sidecar", beside({"RepetitionTime": 2.0, key: value}),
                    atol=1e-4)  # fmt: skip


def _confounds(fault, stimuli):
    name = func("_desc-confounds_timeseries.tsv")
    given = {"confounds": ("motion", "wm_csf", "high_pass")}
    for one in stimuli.file_faults(fault, name, SCAN, "confounds"):
        yield fault(one.verdict, one.kind, one.damage, SCAN, given=given)

    def of(verdict, kind, change, **more):
        damage = stimuli.rewritten(name, change)
        return fault(verdict, f"confounds: {kind}", damage, SCAN, given=given, **more)

    lines = stimuli.of_lines
    for n in (1, 2, 7, 30):
        yield of("named", "rows lacking", lines(lambda rows, n=n: rows[:-n]))
    yield of("named", "a row too many", lines(lambda rows: [*rows, rows[-1]]))
    yield of("named", "no header", lines(lambda rows: rows[1:]))
    for row in (4, 20, 34):
        for cell in ("n/a", "x", "inf", "", "1,5"):
            yield of("named", "a cell that is no number",
                     lines(partial(_with_cell, row=row, cell=cell)))  # fmt: skip
    for row in (0, 1, 38):
        yield of("right", "n/a outside the sound", lines(partial(_with_cell, row=row, cell="n/a")))
    for column in ("trans_x", "rot_z_derivative1", "csf", "white_matter", "cosine00"):
        yield of("named", "a column lacks", stimuli.swap(column, "other", 1))
    for sign in (",", ";", " "):
        yield of("named", "another separator", lambda text, sign=sign: text.replace("\t", sign))
    yield of(
        "named", "a row too long", lines(lambda rows: [*rows[:9], rows[9] + "\t0", *rows[10:]])
    )
    yield of("named", "a row too short", lines(lambda rows: [
        *rows[:9], rows[9].rsplit("\t", 3)[0], *rows[10:]]))  # fmt: skip
    yield of("named", "decimal commas", lambda text: text.replace(".", ","))
    yield of("right", "another column", lines(lambda rows: [
        rows[0] + "\tnote", *(f"{row}\tfine" for row in rows[1:])]))  # fmt: skip
    yield of("right", "line ends of Windows", lambda text: text.replace("\n", "\r\n").encode())
    yield of("right", "BOM", lambda text: b"\xef\xbb\xbf" + text.encode())
    for encoding in ("utf-16", "utf-16-le"):
        yield of("named", "UTF-16", lambda text, encoding=encoding: text.encode(encoding))


def _with_cell(rows, row, cell, column=0):
    cells = rows[row + 1].split("\t")
    cells[column] = cell
    return [*rows[: row + 1], "\t".join(cells), *rows[row + 2 :]]
