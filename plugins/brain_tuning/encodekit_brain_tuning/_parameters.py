"""What `BrainTunedFeatures` is told: its parameters, their checks, and the recipes' values."""

from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from encodekit import FeatureExtractor
from encodekit.plugins import unknown_name
from encodekit_brain_tuning._recipes import recipe_parameters
from encodekit_brain_tuning._steps import check_budget
from encodekit_brain_tuning._strategies import STRATEGIES
from encodekit_brain_tuning._windows import SUPPORT, check_stretch

CHOICES = {
    "strategy": tuple(STRATEGIES),
    "reduction": ("pairs", "participants"),
    "head_start": ("ridge", "random"),
    "windows": ("streamed", "exact"),
    "trainable": ("lora", "all", "head"),
    "pooling": (None, "haemodynamic", "mean", "last"),
    "stem_dtype": ("float16", "float32"),
    "precision": ("auto", "float32", "bfloat16"),
}
AT_LEAST_ONE = ("epochs", "batch_size", "accumulate", "n_components", "checkpoint_every")


class TuningParameters(FeatureExtractor):
    """The parameters of `BrainTunedFeatures`, which documents them."""

    def __init__(  # noqa: PLR0915 (one statement per parameter)
        self,
        backbone: str = "facebook/wav2vec2-base",
        *,
        recipe: str | None = None,
        loss: str | Callable[..., torch.Tensor] = "l2",
        targets: Any = None,
        strategy: str = "joint",
        reduction: str = "pairs",
        n_components: int = 20,
        head: str | Callable[..., torch.nn.Module] = "shared",
        head_rank: int | None = None,
        head_start: str = "ridge",
        epochs: int = 30,
        budget: tuple[str, float] | None = None,
        trainable: str = "lora",
        lora_targets: str | Sequence[str] = "attention",
        lora_rank: int = 8,
        lora_alpha: float | None = None,
        dropout: float | None = None,
        windows: str = "streamed",
        chunk: float = 30.0,
        overlap: float = 8.0,
        stretch: float | None = None,
        pooled_layer: int | None = None,
        pooling: str | None = None,
        gradient_checkpointing: bool = False,
        stem_cache: str | Path | None = "auto",
        stem_dtype: str = "float16",
        stem_cache_gb: float = 20.0,
        learning_rate: float = 1e-4,
        head_learning_rate: float | None = None,
        batch_size: int = 8,
        accumulate: int = 1,
        warmup: float = 0.1,
        weight_decay: float = 0.0,
        patience: int | None = 5,
        validate_every: int | None = None,
        precision: str = "auto",
        n_workers: int = 0,
        checkpoint: str | Path | None = None,
        checkpoint_every: int | None = None,
        tensorboard: str | Path | None = None,
        layer: int | Sequence[int] | str | None = None,
        z_score: bool = True,
        history: float = 16.0,
        cache: str | Path | None = "auto",
        device: str | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.recipe = recipe
        self.loss = loss
        self.targets = targets
        self.strategy = strategy
        self.reduction = reduction
        self.n_components = n_components
        self.head = head
        self.head_rank = head_rank
        self.head_start = head_start
        self.epochs = epochs
        self.budget = budget
        self.trainable = trainable
        self.lora_targets = lora_targets
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha
        self.dropout = dropout
        self.windows = windows
        self.chunk = chunk
        self.overlap = overlap
        self.stretch = stretch
        self.pooled_layer = pooled_layer
        self.pooling = pooling
        self.gradient_checkpointing = gradient_checkpointing
        self.stem_cache = stem_cache
        self.stem_dtype = stem_dtype
        self.stem_cache_gb = stem_cache_gb
        self.learning_rate = learning_rate
        self.head_learning_rate = head_learning_rate
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.patience = patience
        self.validate_every = validate_every
        self.precision = precision
        self.n_workers = n_workers
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.tensorboard = tensorboard
        self.layer = layer
        self.z_score = z_score
        self.history = history
        self.cache = cache
        self.device = device
        self.random_state = random_state

    def settings(self) -> SimpleNamespace:
        """Return the value of every parameter, as the recipe and the parameters given make it.

        A parameter that was left at its default has the recipe's value.

        Raises
        ------
        ValueError
            If a value is not one of its choices; all mistakes in one message.
        """
        given = self.get_params(deep=False)
        if self.recipe is not None:
            defaults = signature(type(self)).parameters
            wanted = recipe_parameters(self.recipe)
            given |= {k: v for k, v in wanted.items() if given[k] == defaults[k].default}
        settings = SimpleNamespace(**given)
        mistakes = list(_mistakes(settings))
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return settings


def show_settings(settings: SimpleNamespace) -> None:
    """Print every value to stderr, one a line."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"recipe {settings.recipe}:", markup=False)
    for name, value in vars(settings).items():
        console.print(f"  {name} = {value!r}", markup=False)


def _mistakes(settings: SimpleNamespace) -> Iterator[str]:
    for name, choices in CHOICES.items():
        if getattr(settings, name) not in choices:
            yield unknown_name(name, getattr(settings, name), choices)
    yield from _window_mistakes(settings)
    numbers = {name: getattr(settings, name) for name in AT_LEAST_ONE}
    few = [f"{name}={n}" for name, n in numbers.items() if n is not None and n < 1]
    if few:
        yield f"{' and '.join(few)}: expected at least 1"
    yield from check_budget(settings.budget)


def _window_mistakes(settings: SimpleNamespace) -> Iterator[str]:
    if settings.stretch is not None and settings.windows != "streamed":
        yield (
            f"stretch={settings.stretch:g} joins streamed windows, and windows="
            f"{settings.windows!r}: pass windows='streamed', or leave stretch out"
        )
    elif settings.stretch is not None:
        yield from check_stretch(settings.chunk, settings.overlap, settings.stretch)
    elif settings.windows == "streamed" and settings.overlap < SUPPORT:
        yield (
            f"overlap={settings.overlap:g} s is shorter than the {SUPPORT:g} s of haemodynamic "
            f"history, so TRs would be lost between windows: pass at least {SUPPORT:g}, or stretch="
        )
