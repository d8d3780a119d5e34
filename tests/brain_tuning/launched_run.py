"""Tune, alone or as one of the processes of `accelerate launch`; the first says what it saw.

launched_run.py BACKBONE UPDATE: one line of JSON.
"""

import json
import sys
import warnings

import torch
from accelerate import PartialState
from killed_run import study

from encodekit_brain_tuning import BrainTunedFeatures, Runtime, Sequential, Streamed, Training


def main(backbone, update):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    stories, responses = study()
    training = Training(
        epochs=2, batch_size=3, accumulate=2, learning_rate=3e-3, keep="two_se", patience=None
    )
    tuned = BrainTunedFeatures(
        backbone,
        loss="correlation",
        participants=Sequential(),
        update=update,
        windows=Streamed(chunk=12.0),
        training=training,
        runtime=Runtime(cache=None, device="cpu"),
    )
    tuned.set_params(update__dropout=0.0)
    tuned.fit(stories[:2], responses[:2], validation=(stories[2:], responses[2:]))
    weights = torch.cat([p.detach().flatten() for p in tuned.model_.parameters()])
    state = PartialState()
    if state.is_main_process:
        history = tuned.history_.fillna(-1).drop(columns="seconds")
        found = {"processes": state.num_processes, "history": history.to_numpy().tolist()}
        print(json.dumps(found | {"size": float(weights.double().norm())}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
