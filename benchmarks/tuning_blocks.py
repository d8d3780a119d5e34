"""What an epoch costs where the highest half of the blocks learns: equal gradients, then the time.

    python benchmarks/tuning_blocks.py                          # wav2vec2-base, random weights
    python benchmarks/tuning_blocks.py --backbone whisper-tiny.en

An epoch is its steps: forward and backward passes over all clips of one story of noise, in windows
of 30 s that overlap by 8 s, and AdamW. The frozen part of both is computed beforehand (float32 in
memory), as it is once for all epochs. Both take turns within a round; the median of rounds counts.
"""

import argparse
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from encodekit.data import Stimulus
from encodekit.features import transformer_blocks
from encodekit_brain_tuning import Streamed, TopBlocks
from encodekit_brain_tuning.backbones import Backbone, load_backbone
from encodekit_brain_tuning.heads import SharedHeadModule
from encodekit_brain_tuning.losses import l2
from encodekit_brain_tuning.targets import RunTargets, SharedTargets
from encodekit_brain_tuning.training import Batch, TuningClips, TuningModel

T_R, N_TARGETS = 2.0, 1000


def _cost() -> Any:
    path = Path(__file__).with_name("tuning_cost.py")
    spec = importlib.util.spec_from_file_location("tuning_cost", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cost = _cost()


@dataclass
class Arm:
    """A model whose highest blocks learn, and the batches of an epoch."""

    model: TuningModel
    clips: TuningClips
    optimizer: torch.optim.Optimizer

    def batch(self, index: int) -> Batch:
        """Return one clip."""
        return self.clips.batch([index])

    def step(self, index: int) -> None:
        """Learn from one clip."""
        cost.backward(self.model, self.batch(index), l2)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def epoch(self) -> None:
        """Pass over all clips."""
        for index in range(len(self.clips)):
            self.step(index)


def new_backbone(name: str) -> Backbone:
    """Return a backbone of that name, or wav2vec2's shape of that size with random weights."""
    torch.manual_seed(0)
    if name not in cost.SIZES:
        return load_backbone(name, dropout=0.0)
    silent = dict.fromkeys(
        ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"), 0.0
    )
    config = Wav2Vec2Config(**cost.SIZES[name], **silent, layerdrop=0.0, apply_spec_augment=False)
    return Backbone(Wav2Vec2Model(config).eval(), rate=16000, normalise=True, name=name)


def make_arm(name: str, n: int, seconds: int) -> Arm:
    """Let the ``n`` highest blocks learn noise."""
    backbone = new_backbone(name)
    TopBlocks(n).prepare(backbone)
    model = TuningModel(backbone, SharedHeadModule(backbone.n_features, N_TARGETS))
    rng = np.random.default_rng(0)
    audio = rng.standard_normal(seconds * backbone.rate, dtype=np.float32)
    stimulus = Stimulus("story", audio, backbone.rate, t_r=T_R)
    true = rng.standard_normal((1, stimulus.n_trs, N_TARGETS), dtype=np.float32)
    run = RunTargets(
        true, np.ones_like(true), np.ones(true.shape[:2], bool), np.zeros(stimulus.n_trs)
    )
    shared = SharedTargets(tuple(map(str, range(N_TARGETS))), ("P1",), {"story": run})
    clips = TuningClips([stimulus], shared, backbone, Streamed())
    learning = [p for p in model.parameters() if p.requires_grad]
    return Arm(model.train(), clips, torch.optim.AdamW(learning, lr=1e-4))


def check_equal(half: Arm, whole: Arm) -> float:
    """Raise unless the gradients of the half's blocks are those of the same blocks of the whole."""
    whole.model.load_state_dict(half.model.state_dict())
    names = {name for name, weight in half.model.named_parameters() if weight.requires_grad}

    def vector(arm: Arm) -> torch.Tensor:
        arm.optimizer.zero_grad()
        cost.backward(arm.model, arm.batch(0), l2)
        learnt: dict[str, nn.Parameter] = dict(arm.model.named_parameters())
        found = torch.cat([learnt[name].grad.ravel() for name in sorted(names)])
        arm.optimizer.zero_grad()
        return found

    ours, expected = vector(half), vector(whole)
    worst = float((ours - expected).abs().max() / expected.abs().max())
    assert worst < 1e-6, f"the gradients above the frozen blocks differ by {worst:.1e}"
    return worst


def calls(half: Arm, whole: Arm) -> dict[str, Callable[[], None]]:
    """Return an epoch of each."""
    return {"half": half.epoch, "whole": whole.epoch}


def main() -> None:
    """Print the share of an epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="base", help=f"{', '.join(cost.SIZES)} or a name")
    parser.add_argument("--seconds", type=int, default=118, help="of the story")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    total = len(transformer_blocks(new_backbone(chosen.backbone).model))
    whole = make_arm(chosen.backbone, total, chosen.seconds)
    half = make_arm(chosen.backbone, total // 2, chosen.seconds)
    print(f"gradients differ by {check_equal(half, whole):.1e} of the largest")
    seconds = cost.typical(calls(half, whole), chosen.repeats)
    print(
        f"{chosen.backbone}, {len(half.clips)} clips, {chosen.threads} thread: an epoch at "
        f"{total // 2} of {total} blocks {seconds['half']:.2f} s, at all {seconds['whole']:.2f} s: "
        f"{seconds['half'] / seconds['whole']:.3f}"
    )


if __name__ == "__main__":
    main()
