import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("launched_run.py")
# what `accelerate launch` starts for several GPUs; for CPUs it would need MPI
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


def run(*command):
    found = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
    )  # fmt: skip
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("update", ["lora", "top_blocks", "head_only"])
def test_two_processes_make_the_steps_of_one(save_backbone, tmp_path, update):
    told = (SCRIPT, save_backbone(tmp_path, num_hidden_layers=3), update)
    one, two = run(*told), run(*TWO, *told)
    assert (one["processes"], two["processes"]) == (1, 2)
    np.testing.assert_allclose(two["history"], one["history"], rtol=1e-4, atol=1e-5)
    assert two["size"] == pytest.approx(one["size"], rel=1e-5)
