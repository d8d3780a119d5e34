"""Tune, alone or as one of the processes of `accelerate launch`; the first says what it saw.

launched_run.py BACKBONE: one line of JSON.
"""

import json
import sys
import warnings

import torch
from accelerate import PartialState
from killed_run import study

from encodekit_brain_tuning import BrainTunedFeatures


def main(backbone):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    stories, responses = study()
    tuned = BrainTunedFeatures(
        backbone, epochs=2, batch_size=3, accumulate=2, chunk=12.0, learning_rate=3e-3,
        loss="correlation", strategy="sequential", dropout=0.0, cache=None, device="cpu",
        patience=None,
    )  # fmt: skip
    tuned.fit(stories[:2], responses[:2], validation=(stories[2:], responses[2:]))
    weights = torch.cat([p.detach().flatten() for p in tuned.model_.parameters()])
    state = PartialState()
    if state.is_main_process:
        history = tuned.history_.fillna(-1).drop(columns="seconds")
        found = {"processes": state.num_processes, "history": history.to_numpy().tolist()}
        print(json.dumps(found | {"size": float(weights.double().norm())}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
