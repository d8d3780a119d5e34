"""Round trips with the real libraries, each in an environment of its own: their pins clash.

``ENCODEKIT_PEERS`` names a folder with environments ``brainscore`` and ``neuralset``; without it
they are made by pip in a temporary folder.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import make_response
from encodekit_adapters import brainscore, neuralset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
# what each says it needs lets in newer versions with which it does not work
PACKAGES = {
    "brainscore": "brainscore-core==2.5.0 pandas<3",
    "neuralset": "neuralset==0.0.2 exca==0.5.25 soundfile",
}


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """Run a script with the Python of a peer's own environment."""
    made = tmp_path_factory.mktemp("peers")

    def run(name, script, *arguments):
        home = Path(os.environ.get("ENCODEKIT_PEERS", made)) / name
        python = home / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            torch = version("torch").partition("+")[0]  # of constraints.txt
            wanted = [f"torch=={torch}", *PACKAGES[name].split()]
            done = subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=False,
                                  capture_output=True, text=True)  # fmt: skip
            if done.returncode:
                pytest.skip(f"{PACKAGES[name]} does not install here: {done.stderr[-300:]}")
        given = [str(argument) for argument in arguments]
        done = subprocess.run([python, "-c", script, *given], capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


BRAINSCORE = """
import sys
from brainscore_core.supported_data_standards.brainio import assemblies, packaging
loader = assemblies.AssemblyLoader(cls=assemblies.NeuroidAssembly, file_path=sys.argv[1])
found = loader.load()
print(type(found).__name__, found.dims, found.shape, found["subject"].values[0],
      found["story"].values[-1], float(found.sel(stimulus_id="b.00002").squeeze().values[1]))
packaging.write_netcdf(found, sys.argv[2])
"""


def test_brain_score_reads_our_assemblies_and_we_read_its_own(peer, tmp_path):
    rng = np.random.default_rng(0)
    runs = [
        make_response(rng.standard_normal((n, 3)), run=run, participant="P1", region="language",
                      tr_times=2.0 * np.arange(n), t_r=2.0, voxel=[3, 5, 8])
        for run, n in (("a", 4), ("b", 6))
    ]  # fmt: skip
    ours = brainscore.save_assembly(brainscore.to_assembly(runs), tmp_path / "ours.nc")
    said = peer("brainscore", BRAINSCORE, ours, tmp_path / "theirs.nc")
    kind, *_, subject, story, value = said.split()
    assert (kind, subject, story) == ("NeuroidAssembly", "P1", "b")
    assert "(10, 3)" in said
    assert float(value) == runs[1].values[2, 1]
    again = brainscore.from_assembly(brainscore.load_assembly(tmp_path / "theirs.nc"))
    for mine, theirs in zip(runs, again["P1"], strict=True):
        xr.testing.assert_equal(theirs, mine)


NEURALSET = """
import sys
import pandas as pd
from neuralset.events import etypes
from neuralset.events.utils import standardize_events
table = pd.read_csv(sys.argv[1], dtype={"text": str}, keep_default_na=False)
rows = [{k: v for k, v in row.items() if v != ""} for row in table.to_dict("records")]
events = standardize_events(pd.DataFrame(rows))
made = [etypes.Event.from_dict(row) for row in events.to_dict("records")]
word = [event for event in made if event.type == "Word"]
sound = [event for event in made if event.type == "Audio"]
print(len(word), word[1].text, word[1].start)
print(len(sound), sound[0].duration, sound[0].read().shape[0])
events.to_csv(sys.argv[2], index=False)
"""


def test_neuralset_reads_our_events_and_we_read_its_own(peer, tmp_path):
    sound = np.random.default_rng(0).uniform(-1, 1, 4000).astype("float32")
    words = pd.DataFrame({"word": ["NA", "fox"], "onset": [0.5, 1.25], "duration": [0.2, 0.2]})
    heard = ek.Stimulus("loud", sound, 1000, words=words, t_r=1.0, run="run-1")
    response = make_response(np.zeros((4, 1), "float32"), run="run-1", stimulus="loud",
                             participant="P1", tr_times=heard.grid, t_r=1.0)  # fmt: skip
    study = ek.Study("s", [heard], {"P1": [response]})
    path = neuralset.save_events(neuralset.to_events(study, tmp_path), tmp_path / "ours.csv")
    said = peer("neuralset", NEURALSET, path, tmp_path / "theirs.csv")
    assert said.split() == ["2", "fox", "1.25", "1", "4.0", "4000"]
    (again,) = neuralset.from_events(neuralset.load_events(tmp_path / "theirs.csv"), t_r=1.0)
    pd.testing.assert_frame_equal(again.words, words)
    np.testing.assert_array_equal(again.load_audio(), sound)
    assert (again.name, again.run_name) == ("loud", "run-1")
