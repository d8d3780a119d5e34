"""Make the embedded speech encoder "tiny" from spoken stories of its own, on a CPU.

    python plugins/brain_tuning/scripts/pretrain_tiny.py

Two stages, both on synthetic speech. Masked prediction of k-means units of log-mel frames (as in
HuBERT, Hsu et al. 2021, first iteration) starts the stem and the transformer; then a linear read
out of every frame's word, and of that word's letters, from the third block of four makes the
encoder a small word recogniser, while its last block tells the unit. So, as in published speech
models, words are clearest below the last layer, which serves the pretraining's own task.
Words are drawn independently of one another, so that no stage can learn which words keep company.

The model card is written from the figures that this script measures.
"""

import argparse
import hashlib
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tiny_card
import torch
from tiny_probes import probe_layers
from tiny_speech import SPELLING, Corpus, hear_evaluation, hear_training
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

FOLDER = Path(__file__).parent.parent / "encodekit_brain_tuning" / "backbones" / "tiny"
N_UNITS = 100
BATCH_SECONDS = 40
CLIP_SECONDS = (10, 20, 30)
MASK_START, MASK_FRAMES = 0.04, 8
WORD_LAYER = 3  # hidden state after the third of four blocks


@dataclass(frozen=True)
class Recipe:
    """What a run is made of; the defaults made the shipped weights."""

    seed: int = 0
    hours: float = 2.0
    unit_steps: int = 200
    word_steps: int = 1600
    rate: float = 1.5e-3
    spelling_weight: float = 0.5
    unit_weight: float = 0.3
    threads: int = 1


def configure() -> Wav2Vec2Config:
    """Return the shape: 25 frames a second, four blocks of width 128."""
    return Wav2Vec2Config(
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        conv_dim=[16, 32, 32, 64, 64, 128, 128, 128],
        conv_kernel=[10, 3, 3, 3, 3, 2, 2, 2],
        conv_stride=[5, 2, 2, 2, 2, 2, 2, 2],
        conv_bias=False,
        feat_extract_norm="group",
        do_stable_layer_norm=False,
        num_conv_pos_embeddings=48,
        num_conv_pos_embedding_groups=8,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        layerdrop=0.0,
        mask_time_prob=MASK_START,  # above 0: the weights hold a mask embedding
        mask_time_length=MASK_FRAMES,
        apply_spec_augment=False,  # but nothing is masked unless somebody asks
        vocab_size=32,
    )


class Heads(nn.Module):
    """Linear read-outs used while pretraining, and not shipped."""

    def __init__(self, width: int, n_words: int) -> None:
        super().__init__()
        self.units = nn.Linear(width, N_UNITS)
        self.words = nn.Linear(width, n_words)
        self.letters = nn.Linear(width, SPELLING.positions * SPELLING.symbols)

    def spelling_loss(self, hidden: Tensor, letters: Tensor) -> Tensor:
        """Cross-entropy of each frame's word's letters; ``letters`` (n_frames, positions)."""
        scores = self.letters(hidden).reshape(-1, SPELLING.symbols)
        return cross_entropy(scores, letters.reshape(-1))


def batches(corpus: Corpus, n_steps: int, rng: np.random.Generator) -> Iterator[Any]:
    """Yield clips of 10-30 s, each normalised by itself, up to 40 s of them at a time."""
    for _ in range(n_steps):
        seconds = int(rng.choice(CLIP_SECONDS))
        yield corpus.draw(BATCH_SECONDS // seconds, seconds, rng)


def random_mask(shape: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Return a mask of spans of 8 frames (320 ms) that begin at 4 % of the frames."""
    starts = rng.random(shape) < MASK_START
    mask = np.zeros(shape, dtype=bool)
    for shift in range(MASK_FRAMES):
        mask[:, shift:] |= starts[:, : shape[1] - shift]
    return torch.from_numpy(mask)


def unit_loss(model: Wav2Vec2Model, heads: Heads, batch: Any, rng: np.random.Generator) -> Tensor:
    """Cross-entropy of the units of masked frames."""
    mask = random_mask(batch.units.shape, rng)
    hidden = model(batch.audio, mask_time_indices=mask).last_hidden_state
    return cross_entropy(heads.units(hidden[mask]), batch.units[mask])


def word_loss(model: Wav2Vec2Model, heads: Heads, batch: Any, recipe: Recipe) -> Tensor:
    """Cross-entropy of every frame's word and of its letters (third block), and of its unit."""
    states = [h.flatten(0, 1) for h in model(batch.audio, output_hidden_states=True).hidden_states]
    words = cross_entropy(heads.words(states[WORD_LAYER]), batch.words.reshape(-1))
    letters = heads.spelling_loss(states[WORD_LAYER], batch.letters.flatten(0, 1))
    units = cross_entropy(heads.units(states[-1]), batch.units.reshape(-1))
    return words + recipe.spelling_weight * letters + recipe.unit_weight * units


def train(
    stage: str, modules: nn.Module, losses: Iterator[Tensor], n_steps: int, rate: float
) -> None:
    """Minimise ``losses``: AdamW, 10 % warm-up, then linear decay to 0."""
    optimizer = torch.optim.AdamW(
        modules.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    warm = max(1, n_steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (n_steps - step) / (n_steps - warm))
    )
    began = time.perf_counter()
    for step, loss in enumerate(losses):
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == n_steps - 1:
            seconds = time.perf_counter() - began
            print(
                f"{stage} {step:5d}/{n_steps}  loss {loss.item():.3f}  {seconds:.0f} s", flush=True
            )


def pretrain(model: Wav2Vec2Model, heads: Heads, corpus: Corpus, recipe: Recipe) -> None:
    """Run both stages, in place."""
    both = nn.ModuleList([model, heads])
    rng = np.random.default_rng(recipe.seed)
    model.config.apply_spec_augment = True  # without it, transformers ignores a mask
    units = (unit_loss(model, heads, b, rng) for b in batches(corpus, recipe.unit_steps, rng))
    train("units", both, units, recipe.unit_steps, recipe.rate)
    model.config.apply_spec_augment = False
    words = (word_loss(model, heads, b, recipe) for b in batches(corpus, recipe.word_steps, rng))
    train("words", both, words, recipe.word_steps, recipe.rate)


@torch.no_grad()
def frame_accuracy(model: Wav2Vec2Model, heads: Heads, corpus: Corpus) -> float:
    """Share of frames whose word is recognised, over windows of 30 s."""
    right = []
    for batch in corpus.windows(30):
        hidden = model(batch.audio, output_hidden_states=True).hidden_states[WORD_LAYER]
        right.append((heads.words(hidden).argmax(-1) == batch.words).float().flatten())
    return float(torch.cat(right).mean())


def measure(model: Wav2Vec2Model, heads: Heads) -> dict[str, Any]:
    """Measure what the card reports, on stories that the training did not hear."""
    evaluation = hear_evaluation()
    model.eval()
    figures: dict[str, Any] = {
        "frame_accuracy": {
            "heard voices": frame_accuracy(model, heads, evaluation.heard_voices),
            "voice never heard": frame_accuracy(model, heads, evaluation.new_voice),
        },
    }
    return figures | {"probes": probe_layers(model, evaluation)}


def save(model: Wav2Vec2Model, folder: Path) -> str:
    """Write the artifact; return the sha256 of its weights."""
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False).save_pretrained(folder)
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def parse() -> tuple[Recipe, Path]:
    """Read the recipe and the folder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in vars(Recipe()).items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=type(default), default=default, help=f"default {default}")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the model is written")
    chosen = vars(parser.parse_args())
    return Recipe(**{name: chosen[name] for name in vars(Recipe())}), chosen["folder"]


def main() -> None:
    """Train, measure, and write the artifact with its card."""
    recipe, folder = parse()
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    began = time.perf_counter()
    corpus = hear_training(recipe.hours, N_UNITS, recipe.seed)
    seconds = {"speech": time.perf_counter() - began}
    model = Wav2Vec2Model(configure())
    heads = Heads(model.config.hidden_size, len(corpus.vocabulary))
    pretrain(model, heads, corpus, recipe)
    seconds["training"] = time.perf_counter() - began - seconds["speech"]
    figures = {
        "parameters": sum(p.numel() for p in model.parameters()),
        **measure(model, heads),
        "seconds": {name: round(value) for name, value in seconds.items()},
        "recipe": vars(recipe),
        "versions": {
            "python": platform.python_version(),
            **tiny_card.versions("torch", "transformers", "espeakng-loader", "numpy"),
        },
        "sha256": save(model, folder),
    }
    (folder / "README.md").write_text(tiny_card.write(figures, corpus), encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
