"""The model card of a tuned model, filled from what happened and from what its maker adds."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pandas as pd

from encodekit.data import Stimulus, runs_heard_in
from encodekit_brain_tuning._kept import say_kept_pretrained

if TYPE_CHECKING:
    from encodekit_brain_tuning._extractor import BrainTunedFeatures

_PACKAGES = ("encodekit", "encodekit-brain-tuning", "torch", "transformers", "peft")
_CORPORA = ("LibriSpeech", "Libri-Light", "GigaSpeech", "VoxPopuli")
_LIBRISPEECH = "LibriSpeech train-clean-100, train-clean-360 and train-other-500 (960 h)"
_LIBRI_LIGHT = "Libri-Light (60,000 h of LibriVox, which LibriSpeech is a part of)"
_MIXED = f"{_LIBRI_LIGHT}, GigaSpeech (10,000 h), VoxPopuli (24,000 h of English)"
PRETRAINED_ON = {
    "tiny": "2 h of synthetic speech of its own (espeak-ng), with word labels",
    "facebook/wav2vec2-base": _LIBRISPEECH,
    "facebook/wav2vec2-base-960h": f"{_LIBRISPEECH}, then with its transcripts",
    "facebook/wav2vec2-large": _LIBRISPEECH,
    "facebook/wav2vec2-large-lv60": _LIBRI_LIGHT,
    "facebook/hubert-base-ls960": _LIBRISPEECH,
    "facebook/hubert-large-ll60k": _LIBRI_LIGHT,
    "microsoft/wavlm-base": _LIBRISPEECH,
    "microsoft/wavlm-base-plus": _MIXED,
    "microsoft/wavlm-large": _MIXED,
}


@dataclass(frozen=True)
class CardNotes:
    """What a model card says beside what the tuning knows.

    Parameters
    ----------
    scores : DataFrame, optional
        How the tuned features scored, such as `encodekit.by_region` gives it.
    tested_on : sequence of Stimulus
        What they were scored on; the card says which of them were tuned on, by their audio.
    test_corpus : str, optional
        Where these stimuli are from (``"LibriSpeech train-clean-100"``); the card says whether the
        backbone was pretrained on it.
    data_licence : str, optional
        Of the fMRI and the audio that tuned the model.
    """

    scores: pd.DataFrame | None = None
    tested_on: Sequence[Stimulus] = ()
    test_corpus: str | None = None
    data_licence: str | None = None


def model_card(extractor: "BrainTunedFeatures", notes: CardNotes | None = None) -> str:
    """Return the README.md of a tuned model's folder."""
    notes = notes or CardNotes()
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    hours, settings = extractor.tuned_seconds_ / 3600, extractor.settings()
    return f"""{_front_matter(extractor)}
# {_heading(extractor)}

| | |
|---|---|
| backbone | {extractor.backbone}, sha256 {extractor.backbone_hash_[:16]} |
| pretrained on | {_pretrained_on(extractor)} |
| participants | {", ".join(extractor.participants_)} |
| tuning runs | {", ".join(extractor.tuned_on_.values())} |
| audio tuned on | {hours:.2f} h ({60 * hours:.1f} min) |
| validation runs | {", ".join(extractor.validated_on_.values()) or "none"} |
| targets | {len(extractor.targets_)} |
| strategy, head | {settings.strategy}, {getattr(settings.head, "__name__", settings.head)} |
| loss | {getattr(settings.loss, "__name__", settings.loss)} |
| trainable | {_trainable(settings)} |
| windows | {_windows(settings)} |
| learning rate | {settings.learning_rate:g}, warm-up {settings.warmup:g}, then linear to 0 |
| seed | {_seed(extractor)} |
| licence of the data | {notes.data_licence or "not stated"} |
| made with | {versions} |

## Loss

{_loss_table(extractor)}

Row 0 is the backbone before tuning{_began(extractor)}.{_kept(extractor)}

## Scores

{_scores(extractor, notes)}

## Use

```python
from encodekit_brain_tuning import BrainTunedFeatures

features = BrainTunedFeatures.load("this-folder").transform(stimuli)
```

Do not fit a ridge or score on the tuning runs: their noise would be used twice.
The licences of the backbone and of the fMRI apply to these weights too.
"""


def _heading(extractor: "BrainTunedFeatures") -> str:
    if not extractor.kept_pretrained_:
        return (
            f"{extractor.backbone}, brain-tuned\n\n"
            "A speech model fine-tuned on fMRI with encodekit (BrainTunedFeatures)."
        )
    said = say_kept_pretrained(extractor.history_)
    return (
        f"{extractor.backbone}, with its pretrained weights\n\n"
        "A speech model that encodekit (BrainTunedFeatures) fine-tuned on fMRI in vain: "
        f"{said}."
    )


def _front_matter(extractor: "BrainTunedFeatures") -> str:
    """The lines that the hub reads; a base model only where the backbone is one of the hub."""
    name = str(extractor.backbone)
    base = [f"base_model: {name}"] if name in PRETRAINED_ON and "/" in name else []
    return "\n".join(["---", "library_name: encodekit", *base, "tags: [brain-tuning, fMRI]", "---"])


def _pretrained_on(extractor: "BrainTunedFeatures") -> str:
    unknown = "unknown to encodekit: see the backbone's own card"
    return PRETRAINED_ON.get(str(extractor.backbone), unknown)


def _scores(extractor: "BrainTunedFeatures", notes: CardNotes) -> str:
    lines = [] if notes.scores is None else [_markdown(notes.scores), ""]
    if notes.scores is None:
        lines += ["None were given when this was saved.", ""]
    if notes.tested_on:
        heard = runs_heard_in(notes.tested_on, extractor.tuned_on_)
        names = ", ".join(item.run_name for item in notes.tested_on)
        lines.append(f"- Tested on: {names}. Also tuned on: {', '.join(heard) or 'none of them'}.")
    lines.append(f"- Overlap of pretraining and test audio: {_overlap(extractor, notes)}.")
    return "\n".join(lines)


def _overlap(extractor: "BrainTunedFeatures", notes: CardNotes) -> str:
    if notes.test_corpus is None:
        return "not stated"
    corpora = PRETRAINED_ON.get(str(extractor.backbone))
    if corpora is None:
        return f"unknown; tested on {notes.test_corpus}"
    heard = [name for name in _CORPORA
             if name in corpora and name.lower() in notes.test_corpus.lower()]  # fmt: skip
    if not heard:
        return f"none known with {notes.test_corpus}"
    return f"the backbone was pretrained on {heard[0]}, and tested on {notes.test_corpus}"


def _markdown(table: pd.DataFrame) -> str:
    cells = [
        [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    rows = [list(map(str, table.columns)), ["---"] * table.shape[1], *cells]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _trainable(settings: SimpleNamespace) -> str:
    if settings.trainable != "lora":
        return str(settings.trainable)
    return f"LoRA, rank {settings.lora_rank}, on {settings.lora_targets}"


def _seed(extractor: "BrainTunedFeatures") -> str:
    """The random_state that repeats the tuning; the number drawn from it where that was no int."""
    given = extractor.random_state
    return str(given) if isinstance(given, int) else f"{extractor.seed_}, drawn from {given!r}"


def _windows(settings: SimpleNamespace) -> str:
    if settings.windows == "exact":
        return "exact, 10 s per TR"
    joined = "" if settings.stretch is None else f", joined over {settings.stretch:g} s"
    return f"streamed, {settings.chunk:g} s with {settings.overlap:g} s of overlap{joined}"


def _loss_table(extractor: "BrainTunedFeatures") -> str:
    lines = ["| epoch | step | training | validation | validation r |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.epoch:g} | {row.step} | {row.train_loss:.5f} | {row.validation_loss:.5f} | "
        f"{row.validation_r:.3f} |"
        for row in extractor.history_.itertuples()
    ]
    return "\n".join(lines).replace("nan", "-")


def _began(extractor: "BrainTunedFeatures") -> str:
    return "" if extractor.head_alpha_ is None else ", with a ridge solution as its head"


def _kept(extractor: "BrainTunedFeatures") -> str:
    history = extractor.history_
    if history["validation_r"].isna().all():
        return " The last weights were kept."
    step = history.loc[history["kept"], "step"].iloc[0]
    before = ", those before tuning" if extractor.kept_pretrained_ else ""
    return f" The weights of step {step} were kept{before}."
