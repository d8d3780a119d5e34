import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("launched_run.py")


def run(*command):
    found = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_processes_of_accelerate_launch_make_the_steps_of_one(backbone_folder):
    one = run(SCRIPT, backbone_folder)
    two = run(
        "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", SCRIPT, backbone_folder,
    )  # fmt: skip
    assert (one["processes"], two["processes"]) == (1, 2)
    np.testing.assert_allclose(two["history"], one["history"], rtol=1e-4, atol=1e-5)
    assert two["size"] == pytest.approx(one["size"], rel=1e-5)
