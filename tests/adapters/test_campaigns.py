"""Slow campaigns: 200 single faults, a store killed at random moments, a study of 20 GB."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import encodekit as ek
from encodekit_adapters import _lebel_facts as facts

pytestmark = pytest.mark.slow

STORY, PERSON = "legacy", "UTS05"
RUNS = (STORY, "avatar", "wheretheressmoke", "task-story")  # an error names one of them
MNI = "MNI152NLin2009cAsym"


@pytest.fixture(scope="module")
def small_lebel(layouts, respdict, tmp_path_factory):
    """Two stories and the test story of one person, in the true layout."""
    root = tmp_path_factory.mktemp("small")
    layouts.write_lebel(root, respdict, {PERSON: [STORY, "avatar", "wheretheressmoke"]})
    return root


@pytest.fixture(scope="module")
def small_bids(layouts, tmp_path_factory):
    """Two runs of one person, as fMRIPrep writes them."""
    root = tmp_path_factory.mktemp("bids") / "set"
    layouts.write_bids(root, people=("01",))
    return root


HF5 = f"derivative/preprocessed_data/{PERSON}/{STORY}.hf5"
TEST_HF5 = f"derivative/preprocessed_data/{PERSON}/wheretheressmoke.hf5"
GRID, WAV = f"derivative/TextGrids/{STORY}.TextGrid", f"stimuli/{STORY}.wav"
POINTERS = {
    "annex": "/annex/objects/MD5E-s9--0\n",
    "lfs": "version https://git-lfs.github.com/spec/v1\nsize 9\n",
}


def cut(root, name, share):
    path = root / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def edit(root, old, new, encoding="utf-8"):
    content = (root / GRID).read_text()
    assert old in content
    (root / GRID).write_bytes(content.replace(old, new, 1).encode(encoding))


def pointer(root, name, kind):
    (root / name).unlink()
    if kind == "link":
        (root / name).symlink_to(".git/annex/objects/MD5E-s9--0")
    else:
        (root / name).write_text(POINTERS[kind])


def lost(root, name):
    (root / name).unlink()


def random_faults(rng, layouts):
    """Yield (kind, function of the root) for damage at random places."""
    n, width = facts.n_rows(STORY), layouts.N_VOXELS

    def gap(start, length, value):
        values = layouts.lebel_values(0, n, width)
        values[start : start + length, int(rng.integers(width))] = value
        return values

    def anew(root, values):
        layouts.write_hf5_anew(root / HF5, data=values)

    for _ in range(32):
        yield "hf5 cut short", partial(cut, name=HF5, share=rng.uniform(0.01, 0.98))
        yield "wav cut short", partial(cut, name=WAV, share=rng.uniform(0.0, 0.99))
        yield "TextGrid cut short", partial(cut, name=GRID, share=rng.uniform(0.3, 0.97))
    for _ in range(20):
        start, length = int(rng.integers(1, n - 20)), int(rng.integers(1, 15))
        yield "NaN run", partial(anew, values=gap(start, length, np.nan))
        shape = (n - int(rng.integers(1, 200)), width)
        yield "TRs lacking", partial(anew, values=layouts.lebel_values(0, *shape))
    for _ in range(10):
        more = width + int(rng.integers(1, 5))
        yield "voxels that change", partial(anew, values=layouts.lebel_values(0, n, more))
        yield "infinite value", partial(anew, values=gap(int(rng.integers(n)), 1, np.inf))


def named_faults(layouts):
    """Yield (kind, function of the root) for each fault that has one place."""
    n = facts.n_rows(STORY)
    for name in (HF5, WAV, GRID):
        for kind in ("link", *POINTERS):
            yield "pointer", partial(pointer, name=name, kind=kind)
        yield "missing file", partial(lost, name=name)
        yield "missing file", partial(lost, name=name.replace(STORY, "avatar"))
    for size in (1, 2, 4, 5, 30):
        yield "TextGrid of another size", partial(edit, old="\n3\n", new=f"\n{size}\n")
    for old, new in (('"word"', '"words"'), ('"phone"', '"phones"'), ("<exists>\n2", "<exists>\n3"),
                     ('"IntervalTier"', '"TextTier"'), ('"TextGrid"', '"Sound"')):  # fmt: skip
        yield "TextGrid of another shape", partial(edit, old=old, new=new)
    for encoding in ("latin-1", "cp1252", "mac-roman"):
        yield "other encoding", partial(edit, old="FOX", new="FÜR", encoding=encoding)
    for kind, arrays in (("another key", {"values": np.zeros((n, 4))}),
                         ("whole numbers", {"data": np.zeros((n, 4), int)}),
                         ("a vector", {"data": np.zeros(n)})):  # fmt: skip
        yield f"hf5 with {kind}", partial(_anew, layouts, HF5, arrays)
    for shape in ((4, 291, 4), (10, 291, 4), (5, 290, 4), (5, 291, 3)):
        arrays = {"data": np.zeros((291, 4)), "individual_repeats": np.zeros(shape)}
        yield "repeats of another shape", partial(_anew, layouts, TEST_HF5, arrays)


def _anew(layouts, name, arrays, root):
    layouts.write_hf5_anew(root / name, **arrays)


def bids_faults(layouts):
    """Yield (kind, space, function of the root) for damage to runs of fMRIPrep's layout."""
    for run in (1, 2):
        for side in "LR":
            surface = f"run-{run}_hemi-{side}_space-fsaverage5_bold.func.gii"
            yield ("hemispheres mislabelled", "fsaverage5",
                   partial(layouts.relabel_hemisphere, run=run, side=side))  # fmt: skip
            yield "missing hemisphere", "fsaverage5", partial(_bids, layouts, lost, surface)
            for share in (0.3, 0.9):
                damage = partial(cut, share=share)
                yield "GIFTI cut short", "fsaverage5", partial(_bids, layouts, damage, surface)
        for size in (1.0, 2.0, 4.0):
            yield "other affine", MNI, partial(layouts.move_grid, run=run, size=size)
        series = f"run-{run}_space-fsLR_den-91k_bold.dtseries.nii"
        for kind in ("link", *POINTERS):
            damage = partial(pointer, kind=kind)
            yield "pointer", "fsLR", partial(_bids, layouts, damage, series)
    for t_r in (0.75, 1.0, 1.49, 2.0, 3.0):
        yield "sidecar of another TR", MNI, partial(_sidecar, t_r=t_r)


def _bids(layouts, damage, name, root):
    damage(root, layouts.bids_file(root, name).relative_to(root))


def _sidecar(root, t_r):
    (root / "task-story_bold.json").write_text(json.dumps({"RepetitionTime": t_r}))


def read_lebel(root):
    _read(ek.load_study("lebel2023", root=root, participants=PERSON,
                        stories=[STORY, "avatar", "wheretheressmoke"]))  # fmt: skip


def read_bids(root, space):
    _read(ek.load_study("bids", root=root, task="story", space=space, confounds=None))


def _read(study):
    for stimulus in study.stimuli:
        stimulus.load_audio()
    for response in study.responses():
        response.compute()


@pytest.mark.filterwarnings("ignore::UserWarning:nilearn")
def test_200_single_faults_each_give_a_named_error(small_lebel, small_bids, layouts, tmp_path):
    lebel = [*random_faults(np.random.default_rng(0), layouts), *named_faults(layouts)]
    faults = [(small_lebel, kind, make, read_lebel) for kind, make in lebel]
    faults += [(small_bids, kind, make, partial(read_bids, space=space))
               for kind, space, make in bids_faults(layouts)]  # fmt: skip
    read_lebel(small_lebel)
    for space in (MNI, "fsaverage5", "fsLR"):
        read_bids(small_bids, space)
    told, silent = Counter(), []
    for k, (whole, kind, make, read) in enumerate(faults):
        root = tmp_path / str(k)
        shutil.copytree(whole, root)
        make(root=root)
        try:
            read(root)
        except (ValueError, OSError) as error:
            told[kind] += 1
            if not any(part in str(error) for part in RUNS):
                silent.append(f"{kind} does not say where: {error}")
        else:
            silent.append(f"{kind} (fault {k}) was read without a word")
        shutil.rmtree(root)
    print(f"\n{sum(told.values())} of {len(faults)} single faults of two layouts are named:")
    for kind, count in told.most_common():
        print(f"  {count:3} {kind}")
    assert len(faults) >= 200
    assert silent == []


CONVERT = """
import sys
import encodekit as ek
ek.load_study("lebel2023", root=sys.argv[1], participants=["UTS05", "UTS04"], store=sys.argv[2])
"""


def test_a_conversion_killed_at_20_random_moments_ends_with_the_same_store(
    layouts, respdict, tmp_path
):
    """Each kill comes after another share of the time that a whole conversion takes."""
    heard = {person: facts.stories_of(person) for person in ("UTS05", "UTS04")}
    layouts.write_lebel(tmp_path / "set", respdict, heard, n_voxels=3000)
    command = [sys.executable, "-c", CONVERT, str(tmp_path / "set")]
    began = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    whole = time.monotonic() - began
    rng = np.random.default_rng(0)
    kills = 0
    while kills < 20:
        process = subprocess.Popen([*command, str(tmp_path / "mine")])
        try:
            process.wait(timeout=rng.uniform(0.25, 0.75) * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        kills += 1
        if (tmp_path / "mine").exists():  # it had ended: begin anew, killed earlier
            assert _store(tmp_path / "mine") == _store(tmp_path / "whole")
            shutil.rmtree(tmp_path / "mine")
    subprocess.run([*command, str(tmp_path / "mine")], check=True)
    assert _store(tmp_path / "mine") == _store(tmp_path / "whole")
    assert not list(tmp_path.glob(".mine*"))
    print(f"\nkilled {kills} times; a whole conversion takes {whole:.1f} s; the stores are equal")


def _store(folder: Path):
    return json.loads((folder / "manifest.json").read_text())["files"]


OPEN = """
import resource, sys, time
import encodekit as ek, encodekit_adapters.lebel2023, h5py, praatio.textgrid, soundfile
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
study = ek.load_study(*sys.argv[1:2], **eval(sys.argv[2]))
size = sum(run.nbytes for run in study.responses()) * 2
taken = time.monotonic() - began
print(taken, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, size / 1e9)
"""


def test_a_study_of_20_gb_opens_in_200_mb_and_2_s(layouts, respdict, tmp_path):
    """UTS01 whole: 84 stories, 81,126 voxels, sparse files of 20 GB; true TRs."""
    root = tmp_path / "set"
    layouts.write_lebel(root, respdict, {"UTS01": []})
    heard = facts.stories_of("UTS01")
    layouts.write_lebel_stimuli(root, respdict, heard)
    for story in heard:
        layouts.write_sparse_hf5(root, "UTS01", story, facts, n_voxels=81126)
    on_disk = sum(path.stat().st_size for path in root.rglob("*.hf5"))
    given = {"root": str(root), "participants": "UTS01"}
    command, opened = [sys.executable, "-c", OPEN, "lebel2023", repr(given)], []
    for _ in range(3):  # the first reads from the disk, and another program may be busy
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        opened.append([float(figure) for figure in done.stdout.split()])
    seconds, megabytes, gigabytes = min(opened)
    print(f"\n{on_disk / 1e9:.1f} GB of hf5 ({gigabytes:.1f} GB of responses as float64)")
    print(f"opened in {seconds:.2f} s with {megabytes:.0f} MB")
    assert on_disk > 20e9
    assert megabytes < 200
    assert seconds < 2
