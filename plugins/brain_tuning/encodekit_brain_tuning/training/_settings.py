"""How long and how fast a model is tuned, what is kept of it, and what it runs on."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import torch

from encodekit.core import Settings, unknown_name
from encodekit_brain_tuning.training._steps import check_budget

KEEP = ("last", "best", "two_se")
PRECISIONS = ("auto", "float32", "bfloat16")
STEM_DTYPES = ("float16", "float32")


class Training(Settings):
    """How long and how fast to tune, and which weights to keep.

    Parameters
    ----------
    epochs : int
        Passes over the tuning stories, at most.
    learning_rate : float
        Its peak: it rises linearly over the first ``warmup`` share of the steps, then falls to 0.
        1e-4 suits base-size models; the backbone "tiny" needs 1e-3 (`AllWeights`).
    batch_size : int
        Clips per optimizer step.
    budget : (unit, amount), optional
        Tunes until so many ``"steps"`` of the optimizer are made, (clip, participant) ``"pairs"``
        are seen or ``"seconds"`` of audio are encoded, instead of ``epochs``.
    keep : {"last", "best", "two_se"}, optional
        Which weights. ``"last"``: of the final step; validation only looks on, and nothing stops
        early. ``"best"``: of the highest mean r over time on the validation runs, which may be
        the pretrained ones. ``"two_se"``: as best, but the pretrained ones unless r rises by more
        than two standard errors of the paired difference (a jackknife over quarters of the
        validation runs); each new best is tested alone, without correction for multiple looks. If
        not given, ``"best"`` where there are validation runs, else ``"last"``.
    patience : int, optional
        Validations without a new best before tuning stops; None never stops early.
    validate_every : int, optional
        Optimizer steps between validations; once per epoch if not given.
    head_learning_rate : float, optional
        The head's; a tenth of ``learning_rate`` if not given: it begins at a ridge solution, from
        which the backbone's rate would throw it.
    warmup, weight_decay : float
    accumulate : int
        Forward passes that one step is split into, for less memory; the gradient is the same,
        except by ``"temporal_correlation"``, which compares the TRs of one pass.
    """

    epochs: int = 30
    learning_rate: float = 1e-4
    batch_size: int = 8
    budget: tuple[str, float] | None = None
    keep: Literal["last", "best", "two_se"] | None = None
    patience: int | None = 5
    validate_every: int | None = None
    head_learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.0
    accumulate: int = 1

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.keep is not None and self.keep not in KEEP:
            yield unknown_name("keep", self.keep, KEEP)
        yield from _too_few(
            self, "epochs", "batch_size", "accumulate", "patience", "validate_every"
        )
        if not 0 < self.learning_rate < math.inf:
            yield f"learning_rate={self.learning_rate}: expected a number above 0"
        if not 0 <= self.warmup <= 1:
            yield f"warmup={self.warmup}: expected a share of the steps, from 0 to 1"
        if not 0 <= self.weight_decay < math.inf:
            yield f"weight_decay={self.weight_decay}: expected a number of 0 or more"
        yield from check_budget(self.budget)


class Runtime(Settings):
    """What a tuned model is computed on and where things are kept; of no effect on what it learns.

    Numbers may differ in their last digits with the device and the precision.

    Parameters
    ----------
    device : {None, "cpu", "cuda"}
        None takes a GPU if there is one.
    precision : {"auto", "float32", "bfloat16"}
        Of the forward and backward pass; ``"auto"`` is bfloat16 on a GPU that has it.
    checkpoint : path, optional
        A folder for the newest checkpoint of this tuning. A ``fit`` that was killed goes on from
        there: on a CPU to the same bytes, or it refuses and says what is different (data,
        settings, versions, number of processes or threads). A finished one is not repeated.
    checkpoint_every : int, optional
        Optimizer steps between checkpoints, beside those at the end of every epoch.
    stem_cache : None, "auto" or path
        Folder that keeps the frozen part's output (the stem's, or that of the blocks below the
        lowest that learns) for later epochs, participants and programs; None keeps it in memory.
    stem_dtype : {"float16", "float32"}
        In which the frozen part's output is kept.
    stem_cache_gb : float
        How large the folder of the frozen part's output may grow; what was used longest ago goes
        first.
    cache : None, "auto" or path
        Where features are kept, see `encodekit.FeatureExtractor`.
    recompute : bool
        Whether each block is computed again in the backward pass instead of keeping what it needs:
        less memory for a third more computing.
    n_workers : int
        Processes that prepare batches beside the training.
    tensorboard : path, optional
        A folder for TensorBoard's curves, ``pip install 'encodekit-brain-tuning[tensorboard]'``.
    """

    affects_results: ClassVar[bool] = False
    device: str | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint: str | Path | None = None
    checkpoint_every: int | None = None
    stem_cache: str | Path | None = "auto"
    stem_dtype: Literal["float16", "float32"] = "float16"
    stem_cache_gb: float = 20.0
    cache: str | Path | None = "auto"
    recompute: bool = False
    n_workers: int = 0
    tensorboard: str | Path | None = None

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.precision not in PRECISIONS:
            yield unknown_name("precision", self.precision, PRECISIONS)
        if self.stem_dtype not in STEM_DTYPES:
            yield unknown_name("stem_dtype", self.stem_dtype, STEM_DTYPES)
        yield from _too_few(self, "checkpoint_every")

    @property
    def bf16(self) -> bool:
        """Whether the passes are computed in bfloat16 here."""
        if self.precision != "auto":
            return self.precision == "bfloat16"
        on_gpu = self.device != "cpu" and torch.cuda.is_available()
        return on_gpu and torch.cuda.is_bf16_supported()


def _too_few(settings: Settings, *names: str) -> Iterator[str]:
    numbers = {name: getattr(settings, name) for name in names}
    few = [f"{name}={n}" for name, n in numbers.items() if n is not None and n < 1]
    if few:
        yield f"{' and '.join(few)}: expected at least 1"
