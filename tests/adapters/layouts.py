"""Data sets in their exact layout with tiny arrays: true names, true TRs, a few targets."""

import json

import numpy as np

N_VOXELS = 4
RATE = 1000


def textgrid(tiers, end):
    """Return a TextGrid in the short format; ``tiers`` is name -> [(start, stop, label)]."""
    lines = ['File type = "ooTextFile short"', '"TextGrid"', "", "0", f"{end}", "<exists>"]
    lines.append(str(len(tiers)))
    for name, intervals in tiers.items():
        lines += ['"IntervalTier"', f'"{name}"', "0", f"{end}", str(len(intervals))]
        for start, stop, label in intervals:
            lines += [repr(float(start)), repr(float(stop)), f'"{label}"']
    return "\n".join(lines) + "\n"


def silence_between(words, end):
    """Fill what is between timed words with the pauses that aligners write."""
    filled, at = [], 0.0
    for onset, duration, label in words:
        if onset > at:
            filled.append((at, onset, "sp"))
        filled.append((onset, onset + duration, label))
        at = onset + duration
    return [*filled, (at, end, "{BR}")] if at < end else filled


def impulse_word(row):
    """Return the one word that lies in the middle of a LeBel row, and its phones."""
    at = 11.0 + 2.0 * row
    return [(at, 0.25, "FOX")], [(at, 0.1, "F"), (at + 0.1, 0.1, "AA1"), (at + 0.2, 0.05, "K")]


def lebel_values(seed, *shape):
    """Return responses of a seed in the files' own float64."""
    return np.random.default_rng(seed).standard_normal(shape)


def write_hf5(path, **arrays):
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def write_lebel(root, trs, heard, *, n_voxels=N_VOXELS, row=20, sound=True):
    """Write ds003020 below ``root``: ``trs`` is the data set's respdict, ``heard`` who has what.

    Every story holds one word, in the middle of row ``row``.
    """
    derivative = root / "derivative"
    (derivative / "TextGrids").mkdir(parents=True)
    (root / "stimuli").mkdir()
    (derivative / "respdict.json").write_text(json.dumps(trs))
    stories = dict.fromkeys(story for theirs in heard.values() for story in theirs)
    write_lebel_stimuli(root, trs, stories, row=row, sound=sound)
    for person, theirs in heard.items():
        for story in theirs:
            path = derivative / "preprocessed_data" / person / f"{story}.hf5"
            write_hf5(path, **lebel_arrays(person, story, trs[story] - 20, n_voxels))


def write_lebel_stimuli(root, trs, stories, *, row=20, sound=True):
    """Write the sound and the TextGrid of each story."""
    derivative = root / "derivative"
    for story in stories:
        end = 2.0 * trs[story] - 20.0  # the sound stops about 10 s before the scan
        words, phones = impulse_word(row)
        tiers = {"phone": silence_between(phones, end), "word": silence_between(words, end)}
        (derivative / "TextGrids" / f"{story}.TextGrid").write_text(textgrid(tiers, end))
        if sound:
            write_wav(root / "stimuli" / f"{story}.wav", int(end * 100), 100)


def write_lebel_surfaces(root, person, n_vertices=400, seed=0):
    """Write a participant's mask, transform and surfaces: a ball of 2 mm voxels and its shell.

    Returns the number of voxels. The white surface has a radius of 12 mm, the pial of 16 mm; the
    transform turns x and y and shifts, so that no axis is like another.
    """
    import nibabel
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(seed)
    cortex = root / "derivative/pycortex-db" / person
    transform, mine = cortex / f"transforms/{person}_auto", root / "derivative/freesurfer_subjdir"
    for folder in (transform, cortex / "surfaces", mine / person / "surf"):
        folder.mkdir(parents=True)
    coord = np.array([[0, 0.5, 0, 10], [-0.5, 0, 0, 11], [0, 0, 0.5, 12], [0, 0, 0, 1.0]])
    grid = np.stack(np.meshgrid(*map(np.arange, (20, 22, 25)), indexing="ij"), axis=-1)
    distance = np.linalg.norm(2.0 * (grid - coord[:3, 3]), axis=-1)
    mask = (distance > 8) & (distance < 20) & (grid[..., 2] > 7)
    nibabel.save(nibabel.Nifti1Image(mask.astype("u1"), np.eye(4)), transform / "mask_thick.nii.gz")
    (transform / "matrices.xfm").write_text(json.dumps({"coord": coord.tolist()}))
    for hemi in ("lh", "rh"):
        ball = rng.standard_normal((n_vertices, 3))
        ball /= np.linalg.norm(ball, axis=1, keepdims=True)
        faces = ConvexHull(ball).simplices.astype("i4")
        nibabel.freesurfer.write_geometry(
            mine / person / f"surf/{hemi}.sphere.reg", 100 * ball, faces
        )
        for kind, radius in (("wm", 12.0), ("pia", 16.0)):
            arrays = [
                nibabel.gifti.GiftiDataArray((radius * ball).astype("f4"), "pointset"),
                nibabel.gifti.GiftiDataArray(faces, "triangle"),
            ]
            surface = nibabel.gifti.GiftiImage(darrays=arrays)
            nibabel.save(surface, cortex / f"surfaces/{kind}_{hemi}.gii")
    return int(mask.sum())


def write_hf5_anew(path, **arrays):
    """Replace a file by one with other arrays."""
    path.unlink()
    write_hf5(path, **arrays)


def write_sparse_hf5(root, person, story, facts, *, n_voxels):
    """Write a file of the true size whose arrays take no room: nothing is written into them."""
    import h5py

    path = root / "derivative" / "preprocessed_data" / person / f"{story}.hf5"
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = {"data": (facts.n_rows(story), n_voxels)}
    if story == facts.TEST_STORY:
        shapes["individual_repeats"] = (facts.n_repeats(person), *shapes["data"])
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_DOUBLE, space, plan)


def lebel_arrays(person, story, n_rows, n_voxels=N_VOXELS):
    """Return the arrays of one file: data, and of the test story its repeats."""
    if story != "wheretheressmoke":
        return {"data": lebel_values(n_rows, n_rows, n_voxels)}
    n_repeats = 10 if person in ("UTS01", "UTS02", "UTS03") else 5
    repeats = lebel_values(1, n_repeats, n_rows, n_voxels)
    return {"data": repeats.mean(axis=0), "individual_repeats": repeats}


def write_wav(path, n_samples, rate=RATE, seed=0):
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(seed).standard_normal(n_samples)
    soundfile.write(path, noise, rate, subtype="PCM_16")


EVENTS = {  # onset, duration, trial_type, stim_file: the events files of Narratives
    "tunnel": [(3.0, 24.0, "story", "tunnel_audio.wav")],
    "pieman": [(0.0, 13.0, "music", "pieman_audio.wav"), (15.0, 24.0, "story", "pieman_audio.wav")],
    "21styear": [
        (0.0, 18.0, "music", "21styear_audio.wav"),
        (21.0, 150.0, "story", "21styear_audio.wav"),
    ],
}


def write_events(path, events):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["onset\tduration\ttrial_type\tstim_file"]
    rows += ["\t".join(map(str, event)) for event in events]
    path.write_text("\n".join(rows) + "\n")


def bold_values(seed, n_trs, n_targets):
    return np.random.default_rng(seed).standard_normal((n_trs, n_targets)).astype("float32")


def write_gifti(path, values, side, t_r=None):
    """Write a run (time, vertex) of one hemisphere as fMRIPrep does: an array per TR."""
    from nibabel import gifti

    structure = {"L": "CortexLeft", "R": "CortexRight"}[side]
    meta = {} if t_r is None else {"TimeStep": f"{1000 * t_r:.6f}"}
    arrays = [
        gifti.GiftiDataArray(row, intent="NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32",
                             meta=gifti.GiftiMetaData(meta))
        for row in values
    ]  # fmt: skip
    image = gifti.GiftiImage(
        meta=gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure}), darrays=arrays
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)


def write_confounds(path, n_trs):
    """Write a confounds table with the columns of the default strategy."""
    import json

    rng = np.random.default_rng(3)
    kinds = ("", "_derivative1", "_power2", "_derivative1_power2")
    names = [f"{k}_{axis}{kind}" for k in ("trans", "rot") for axis in "xyz" for kind in kinds]
    names += ["cosine00", "csf", "white_matter", "global_signal"]
    rows = ["\t".join(names)]
    rows += ["\t".join(f"{v:.6f}" for v in rng.standard_normal(len(names))) for _ in range(n_trs)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    path.with_suffix(".json").write_text(json.dumps({}))


def write_gentle(path, words):
    """Write a gentle table; a word without times was not found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{w},{w.lower()},{a},{b}" for w, a, b in words]
    path.write_text("\n".join(rows) + "\n")


def write_narratives(root, task, people, *, n_trs, n_vertices=5, words=(), shifted=()):
    """Write a task of ds002345 below ``root``; the sound of ``shifted`` people began 6 s early."""
    events = EVENTS[task]
    derivatives = root / "derivatives" / "fmriprep"
    for person in people:
        early = 6.0 if person in shifted else 0.0
        mine = [(o - early if kind == "story" else o, d, kind, f) for o, d, kind, f in events]
        write_events(root / person / "func" / f"{person}_task-{task}_events.tsv", mine)
        func = derivatives / person / "func"
        for side in "LR":
            values = bold_values(ord(side), n_trs, n_vertices)
            name = f"{person}_task-{task}_space-fsaverage6_hemi-{side}.func.gii"
            write_gifti(func / name, values, side)
        write_confounds(func / f"{person}_task-{task}_desc-confounds_regressors.tsv", n_trs)
    sound = root / "stimuli" / events[0][3]
    began = events[0][0]
    write_wav(sound, int((events[-1][0] + events[-1][1] - began + 1.5) * 100), 100)
    write_gentle(root / "stimuli" / "gentle" / task / "align.csv", words)


def write_description(root, **said):
    """Write what BIDS asks every data set and derivative to say of itself."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / "dataset_description.json"
    path.write_text(json.dumps({"BIDSVersion": "1.8.0", **said}))


def write_bids(root, *, n_trs=20, t_r=1.5, space="MNI152NLin2009cAsym", people=("01", "02")):
    """Write an fMRIPrep output of two runs of a task: volume, CIFTI and GIFTI of each."""
    import json

    import nibabel

    root.mkdir(parents=True, exist_ok=True)
    (root / "task-story_bold.json").write_text(json.dumps({"RepetitionTime": t_r}))
    write_description(root, Name="Two parts", License="CC0", DatasetDOI="10.0000/two")
    made = [{"Name": "fMRIPrep", "Version": "23.1.3"}]
    write_description(root / "derivatives" / "fmriprep", Name="fMRIPrep", GeneratedBy=made)
    for run in (1, 2):
        write_wav(root / "stimuli" / f"part{run}_audio.wav", int((n_trs * t_r - 3.0) * 100), 100)
    (root / "stimuli" / "part1.csv").write_text("word,onset,duration\nfox,7.0,0.2\n")
    for person in people:
        for run in (1, 2):
            stem = f"sub-{person}_task-story_run-{run}"
            event = (3.0, n_trs * t_r - 4.5, "story", f"part{run}_audio.wav")
            write_events(root / f"sub-{person}" / "func" / f"{stem}_events.tsv", [event])
            func = root / "derivatives" / "fmriprep" / f"sub-{person}" / "func"
            write_confounds(func / f"{stem}_desc-confounds_timeseries.tsv", n_trs)
            seed = 10 * int(person) + run
            for side in "LR":
                values = bold_values(seed, n_trs, 6)
                name = f"{stem}_hemi-{side}_space-fsaverage5_bold.func.gii"
                write_gifti(func / name, values, side, t_r)
            write_volume(nibabel, func / f"{stem}_space-{space}", seed, n_trs, t_r)
            cifti = f"{stem}_space-fsLR_den-91k_bold.dtseries.nii"
            _write_cifti(nibabel, func / cifti, seed, n_trs, t_r)


def write_scan(root, name, *, n_trs=40, t_r=2.0, seed=0, values=None, sound="a.wav",
               onset=0.0, duration=None, events=True, space="fsaverage5", more="",
               confounds=None):  # fmt: skip
    """Write one scan, ``name`` such as "sub-01_task-story_acq-a": 3 + 3 vertices or 24 voxels.

    Returns its values (time, target), as the study should have them. ``more`` are entities of the
    derivative alone (``_res-1``), ``events`` rows of the events file, or whether there is one.
    """
    import nibabel

    person = name.split("_")[0]
    func = root / "derivatives" / "fmriprep" / person / "func"
    func.mkdir(parents=True, exist_ok=True)
    if space.startswith("fsaverage"):
        values = bold_values(seed, n_trs, 6) if values is None else values.astype("float32")
        half = values.shape[1] // 2
        for side, part in (("L", values[:, :half]), ("R", values[:, half:])):
            write_gifti(func / f"{name}_hemi-{side}_space-{space}{more}_bold.func.gii", part, side)
    else:
        values = bold_values(seed, n_trs, 24) if values is None else values.astype("float32")
        write_volume(nibabel, func / f"{name}_space-{space}{more}", seed, n_trs, t_r, values)
        values = values[:, _voxels(seed)]
    sidecar = func / f"{name}_space-{space}{more}_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": t_r}))
    length = n_trs * t_r - onset if duration is None else duration
    if events:
        rows = [(onset, length, "story", sound)] if events is True else events
        write_events(root / person / "func" / f"{name}_events.tsv", rows)
    table = func / f"{name}_desc-confounds_timeseries.tsv"
    if confounds is None:
        write_confounds(table, n_trs)
    elif confounds is not False:
        confounds.to_csv(table, sep="\t", index=False, na_rep="n/a")
        table.with_suffix(".json").write_text("{}")
    if sound and not (root / "stimuli" / sound).exists():
        seeded = sum(map(ord, sound))
        write_wav(root / "stimuli" / sound, int((n_trs * t_r + 10) * 100), 100, seeded)
    return values


def write_volume(nibabel, stem, seed, n_trs, t_r, values=None):
    """Write a volume of 3 x 4 x 2 voxels; the mask of an even seed lacks one of the others'."""
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    values = bold_values(seed, n_trs, 24) if values is None else values.astype("float32")
    image = nibabel.Nifti1Image(values.T.reshape(3, 4, 2, n_trs), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3, 3, 3, t_r))
    nibabel.save(image, f"{stem}_desc-preproc_bold.nii.gz")
    mask = np.zeros(24, np.uint8)
    mask[_voxels(seed)] = 1
    nibabel.save(
        nibabel.Nifti1Image(mask.reshape(3, 4, 2), affine), f"{stem}_desc-brain_mask.nii.gz"
    )


def _voxels(seed):
    return [1, 5, 7, 20] if seed % 2 else [1, 5, 20]


def _write_cifti(nibabel, path, seed, n_trs, t_r):
    """Write grayordinates: three vertices left, two right, four voxels of the thalamus."""
    from nibabel import cifti2

    models = cifti2.BrainModelAxis.from_surface([0, 4, 9], 12, "CortexLeft")
    models += cifti2.BrainModelAxis.from_surface([3, 5], 12, "CortexRight")
    mask = np.ones((2, 2, 1), bool)
    models += cifti2.BrainModelAxis.from_mask(mask, "ThalamusLeft", np.eye(4))
    series = cifti2.SeriesAxis(0, t_r, n_trs)
    image = nibabel.Cifti2Image(bold_values(seed, n_trs, 9), (series, models))
    nibabel.save(image, path)


def bids_file(root, name):
    """Return the path of one of fMRIPrep's files of the first person."""
    return root / "derivatives/fmriprep/sub-01/func" / f"sub-01_task-story_{name}"


def relabel_hemisphere(root, run=1, side="L"):
    """Let a file of one hemisphere say that it holds the other."""
    path = bids_file(root, f"run-{run}_hemi-{side}_space-fsaverage5_bold.func.gii")
    mine, other = ("CortexLeft", "CortexRight")[:: 1 if side == "L" else -1]
    path.write_text(path.read_text().replace(mine, other))


def move_grid(root, run=2, size=2.0, space="MNI152NLin2009cAsym"):
    """Give a volume and its mask voxels of another size."""
    import nibabel

    affine = np.diag([size, size, size, 1])
    for what in ("preproc_bold", "brain_mask"):
        path = bids_file(root, f"run-{run}_space-{space}_desc-{what}.nii.gz")
        image = nibabel.load(path)
        moved = nibabel.Nifti1Image(np.asarray(image.dataobj), affine)
        moved.header.set_zooms(image.header.get_zooms())
        moved.set_sform(affine)
        nibabel.save(moved, path)
