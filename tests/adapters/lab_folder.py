"""Write a lab's own folder: sounds, arrays whose values are the true times of their rows."""

import json

import numpy as np
import soundfile

RATE = 1000  # Hz


def write_sound(path, seconds):
    rng = np.random.default_rng([int(seconds), *map(ord, path.name)])
    soundfile.write(path, rng.standard_normal(round(seconds * RATE)) * 0.1, RATE)


def times(start, n_rows, n_targets=3, t_r=2.0):
    """Return an array (row, target): the time in the sound of each row, plus .001 per target."""
    return (start + t_r * np.arange(n_rows))[:, None] + 1e-3 * np.arange(n_targets)


def write_lab(root, sounds, arrays, *, stimuli=None, people=None, t_r=2.0, **more):
    """Write ``study.json`` with a sound of some seconds per run, and an array per person and run.

    ``sounds`` maps run to seconds (None: no sound), ``arrays`` person to run to an array, or to
    (array, fields of its entry); ``stimuli`` and ``people`` add fields.
    """
    root.mkdir(exist_ok=True)
    told = {"encodekit_study": 1, "name": "lab", "t_r": t_r, "stimuli": {}, "participants": {}}
    for run, seconds in sounds.items():
        if seconds is not None:
            write_sound(root / f"{run}.wav", seconds)
        sound = {} if seconds is None else {"audio": f"{run}.wav"}
        told["stimuli"][run] = sound | (stimuli or {}).get(run, {})
    for person, runs in arrays.items():
        entries = {}
        for run, given in runs.items():
            array, fields = given if isinstance(given, tuple) else (given, {})
            name = f"{person}_{run}.npy"
            np.save(root / name, array)
            entries[run] = {"file": name, **fields}
        told["participants"][person] = {"responses": entries} | (people or {}).get(person, {})
    rewrite(root, told | more)
    return root


def rewrite(root, described):
    (root / "study.json").write_text(json.dumps(described))


def described(root):
    return json.loads((root / "study.json").read_text())
