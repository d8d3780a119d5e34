"""Kill -9 a tuning at random moments, resume each in a new process, and compare the ends.

killed_run.py BACKBONE FOLDER N_KILLS: one line of JSON for each. Processes are forked from this
one, which has imported everything and computed nothing.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from encodekit.data import Stimulus, make_response
from encodekit_brain_tuning import BrainTunedFeatures, Lora, Runtime, Streamed, Training

RATE = 2000


def study(n_stories=3, seconds=40, n_targets=6):
    stories, responses = [], []
    for number in range(n_stories):
        rng = np.random.default_rng(number)
        audio = rng.standard_normal(seconds * RATE).astype("float32")
        story = Stimulus(f"story-{number}", audio, RATE, t_r=2.0)
        stories.append(story)
        responses.append(
            make_response(
                rng.standard_normal((story.n_trs, n_targets)).astype("float32"),
                run=story.run_name, participant="P1", tr_times=story.grid, t_r=2.0,
                hemisphere="left", vertex=np.arange(n_targets), space="fsaverage5",
            )
        )  # fmt: skip
    return stories, responses


def tune(backbone, folder):
    warnings.simplefilter("ignore")
    stories, responses = study()
    # this fMRI is noise, which never rises beyond chance: the highest r is kept
    training = Training(epochs=5, batch_size=2, learning_rate=3e-3, keep="best", patience=None)
    tuned = BrainTunedFeatures(
        backbone,
        update=Lora(dropout=0.1),
        windows=Streamed(chunk=12.0),
        training=training,
        runtime=Runtime(
            cache=None, device="cpu", checkpoint=folder / "checkpoint", checkpoint_every=1
        ),
    )
    tuned.fit(stories[:2], responses[:2], validation=(stories[2:], responses[2:]))
    tuned.save(folder / "model")


def in_a_process(work, *arguments):
    child = os.fork()
    if child:
        return child
    try:
        work(*arguments)
    finally:
        os._exit(0 if sys.exc_info()[0] is None else 1)


def wait(child):
    assert os.waitpid(child, 0)[1] == 0, "a tuning failed"


def bytes_of(folder):
    return hashlib.sha256((folder / "model" / "tuned.safetensors").read_bytes()).hexdigest()


def main(backbone, root, n_kills):
    torch.set_num_threads(1)
    begun = time.monotonic()
    wait(in_a_process(tune, backbone, root / "whole"))
    lasts = time.monotonic() - begun
    expected = bytes_of(root / "whole")
    moments = random.Random(0)
    for number in range(n_kills):
        folder = root / str(number)
        moment = moments.uniform(0.1, 1.0) * lasts
        child = in_a_process(tune, backbone, folder)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left = sorted(path.name for path in (folder / "checkpoint").glob("step-*"))
        partial = len(list((folder / "checkpoint").glob(".step-*")))
        shutil.rmtree(folder / "model", ignore_errors=True)
        wait(in_a_process(tune, backbone, folder))
        same = bytes_of(folder) == expected
        result = {"second": round(moment, 2), "checkpoint": left[-1] if left else None,
                  "half_written": partial, "same": same}  # fmt: skip
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
