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
    for story in {story for theirs in heard.values() for story in theirs}:
        end = 2.0 * trs[story] - 20.0  # the sound stops about 10 s before the scan
        words, phones = impulse_word(row)
        tiers = {"phone": silence_between(phones, end), "word": silence_between(words, end)}
        (derivative / "TextGrids" / f"{story}.TextGrid").write_text(textgrid(tiers, end))
        if sound:
            write_wav(root / "stimuli" / f"{story}.wav", int(end * 100), 100)
    for person, theirs in heard.items():
        for story in theirs:
            path = derivative / "preprocessed_data" / person / f"{story}.hf5"
            write_hf5(path, **lebel_arrays(person, story, trs[story] - 20, n_voxels))


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
