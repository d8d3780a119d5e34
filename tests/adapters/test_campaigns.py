"""Slow campaigns: single faults, a store killed at random moments, a study of 20 GB."""

import json
import shutil
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import encodekit as ek
from encodekit_adapters import _lebel_facts as facts
from encodekit_adapters.folder import survey_folder

pytestmark = pytest.mark.slow

SPACES = ("fsaverage5", "MNI152NLin2009cAsym")


@pytest.fixture(scope="module")
def modules(load_module):
    """The modules beside this one that damage data sets, by the end of their names."""
    here = Path(__file__).parent
    names = ("record", "lebel", "bids", "folder", "stimuli", "atlas")
    return {name: load_module(here / f"faults_{name}.py") for name in names}


def damage_lebel(campaign, modules, layouts, root, respdict):
    lebel, record = modules["lebel"], modules["record"]
    lebel.write(layouts, root, respdict)
    given = {"participants": lebel.PERSON, "stories": lebel.STORIES}

    def read(root):
        return record.read_study(lambda: ek.load_study("lebel2023", root=root, **given))

    campaign.run("LeBel", root, lebel.faults(record.Fault, layouts), read)


def damage_bids(campaign, modules, layouts, root):
    bids, record, stimuli = modules["bids"], modules["record"], modules["stimuli"]

    def read(root, space, **given):
        return record.read_study(lambda: bids.loaded(root, ek.load_study, space=space, **given))

    for space, made in zip(SPACES, (bids.surface_faults, bids.volume_faults), strict=True):
        bids.write(layouts, stimuli, root / space, space)
        faults = made(record.Fault, stimuli, layouts)
        campaign.run(f"BIDS, {space}", root / space, faults, partial(read, space=space))
    layouts.write_bids(root / "fsLR", people=("01",))
    faults = bids.grayordinate_faults(record.Fault, stimuli)
    campaign.run("BIDS, fsLR", root / "fsLR", faults, partial(read, space="fsLR"))


def damage_folder(campaign, modules, layouts, root):
    folder, record, stimuli = modules["folder"], modules["record"], modules["stimuli"]
    folder.write(layouts, stimuli, root)

    def read(root, confounds=False):
        found = record.read_study(lambda: ek.load_study(root), confounds=confounds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checked = survey_folder(root)  # what `encodekit data check` says, of every run
        more = checked.problems if checked.study is None else [checked.study.describe()]
        said = [line for text in more for line in text.splitlines()]
        return record.Reading(found.values, [*found.said, *said])

    campaign.run("a lab's folder", root, folder.faults(record.Fault, stimuli), read)


def damage_atlas(campaign, modules, root):
    atlas, record = modules["atlas"], modules["record"]
    atlas.write(root)
    faults = atlas.faults(record.Fault, modules["stimuli"])
    campaign.run("an atlas", root, faults, partial(atlas.read, record.Reading))


@pytest.mark.filterwarnings("ignore::UserWarning:nilearn")
def test_1700_single_faults_are_named_or_told_or_read_right(modules, layouts, respdict, tmp_path):
    """A column for each verdict; any other is a fault: of values that are silently others, or of
    an error that does not say where."""
    campaign = modules["record"].Campaign(tmp_path / "damaged")
    damage_lebel(campaign, modules, layouts, tmp_path / "lebel", respdict)
    damage_bids(campaign, modules, layouts, tmp_path / "bids")
    damage_folder(campaign, modules, layouts, tmp_path / "folder")
    damage_atlas(campaign, modules, tmp_path / "atlas")
    print(f"\n{campaign.n_faults} single faults:\n{campaign.table()}")
    assert campaign.n_faults >= 1700
    assert campaign.wrong == [], "\n".join(campaign.wrong)


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
