"""The model card of a tuned model, filled from what happened and from what its maker adds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import pandas as pd

from encodekit.core import markdown
from encodekit.data import Stimulus, runs_heard_in
from encodekit_brain_tuning.saving._tuned import TunedModel, say_value
from encodekit_brain_tuning.training import reverted, say_gain, say_reverted

_PACKAGES = ("encodekit", "encodekit-brain-tuning", "torch", "transformers", "peft")
_CORPORA = ("LibriSpeech", "Libri-Light", "GigaSpeech", "VoxPopuli")
_LIBRISPEECH = "LibriSpeech train-clean-100, train-clean-360 and train-other-500 (960 h)"
_LIBRI_LIGHT = "Libri-Light (60,000 h of LibriVox, which LibriSpeech is a part of)"
_MIXED = f"{_LIBRI_LIGHT}, GigaSpeech (10,000 h), VoxPopuli (24,000 h of English)"
_WHISPER = "438,000 h of English speech with its texts, from the internet (not published which)"
PRETRAINED_ON = {
    "tiny": "2 h of synthetic speech of its own (espeak-ng), with word labels",
    "whisper-tiny.en": _WHISPER,
    "openai/whisper-tiny.en": _WHISPER,
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

_ON_HUB = {"whisper-tiny.en": "openai/whisper-tiny.en"}  # what ships under another name


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


@dataclass(frozen=True)
class CardFacts:
    """What a model card takes from the extractor whose model it is.

    Attributes
    ----------
    backbone : str
        Its name.
    maker : str
        Name of the extractor's class.
    kind, learnt_from : str
        What such a model is called, and what it is tuned on.
    settings : dict of str to object
        Parameters with what they stand for, such as ``update`` to `Lora`.
    random_state : object
        As it was given.
    tuned : TunedModel
    notes : CardNotes
    """

    backbone: str
    maker: str
    kind: str
    learnt_from: str
    settings: Mapping[str, Any]
    random_state: Any
    tuned: TunedModel
    notes: CardNotes = field(default_factory=CardNotes)


def model_card(given: CardFacts) -> str:
    """Return the README.md of a tuned model's folder."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    facts = given.tuned.facts
    hours = facts.tuned_seconds / 3600
    rows = "\n".join(
        f"| {markdown(name)} | {markdown(say_value(value))} |"
        for name, value in given.settings.items()
    )
    return f"""{_front_matter(given.backbone)}
# {_heading(given)}

| | |
|---|---|
| backbone | {markdown(given.backbone)}, sha256 {facts.backbone_hash[:16]} |
| pretrained on | {_pretrained_on(given.backbone)} |
| participants | {_listed(facts.participants)} |
| tuning runs | {_listed(facts.tuned_on.values())} |
| audio tuned on | {hours:.2f} h ({60 * hours:.1f} min) |
| validation runs | {_listed(facts.validated_on.values()) or "none"} |
| targets | {len(facts.targets)} |
{rows}
| seed | {_seed(given)} |
| licence of the data | {markdown(given.notes.data_licence or "not stated")} |
| made with | {versions} |

## Loss

{_loss_table(given.tuned.history)}

Row 0 is the backbone before tuning{_began(given)}.{_kept(given.tuned.history)}

## Scores

{_scores(given)}

## Use

```python
from encodekit_brain_tuning import {given.maker}

features = {given.maker}.load("this-folder").transform(stimuli)
```

Do not fit a ridge or score on the tuning runs: their noise would be used twice.
The licences of the backbone and of the fMRI apply to these weights too.
"""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(markdown, names))


def _heading(given: CardFacts) -> str:
    history = given.tuned.history
    if not reverted(history):
        return (
            f"{markdown(given.backbone)}, {given.kind}\n\n"
            f"A speech model fine-tuned on {given.learnt_from} with encodekit "
            f"({markdown(given.maker)})."
        )
    return (
        f"{markdown(given.backbone)}, with its pretrained weights\n\n"
        f"A speech model that encodekit ({markdown(given.maker)}) fine-tuned on "
        f"{given.learnt_from} in vain: {say_reverted(history)}."
    )


def _front_matter(name: str) -> str:
    """The lines that the hub reads; a base model only where the backbone is one of the hub."""
    on_hub = _ON_HUB.get(name, name)
    base = [f"base_model: {on_hub}"] if on_hub in PRETRAINED_ON and "/" in on_hub else []
    return "\n".join(["---", "library_name: encodekit", *base, "tags: [brain-tuning, fMRI]", "---"])


def _pretrained_on(backbone: str) -> str:
    return PRETRAINED_ON.get(backbone, "unknown to encodekit: see the backbone's own card")


def _scores(given: CardFacts) -> str:
    notes = given.notes
    lines = [] if notes.scores is None else [_markdown(notes.scores), ""]
    if notes.scores is None:
        lines += ["None were given when this was saved.", ""]
    if notes.tested_on:
        heard = runs_heard_in(notes.tested_on, given.tuned.facts.tuned_on)
        names = _listed(item.run_name for item in notes.tested_on)
        lines.append(f"- Tested on: {names}. Also tuned on: {_listed(heard) or 'none of them'}.")
    lines.append(f"- Overlap of pretraining and test audio: {_overlap(given.backbone, notes)}.")
    return "\n".join(lines)


def _overlap(backbone: str, notes: CardNotes) -> str:
    if notes.test_corpus is None:
        return "not stated"
    corpora, tested = PRETRAINED_ON.get(backbone), markdown(notes.test_corpus)
    if corpora is None:
        return f"unknown; tested on {tested}"
    heard = [name for name in _CORPORA
             if name in corpora and name.lower() in notes.test_corpus.lower()]  # fmt: skip
    if not heard:
        return f"none known with {tested}"
    return f"the backbone was pretrained on {heard[0]}, and tested on {tested}"


def _markdown(table: pd.DataFrame) -> str:
    cells = [
        [f"{value:.3f}" if isinstance(value, float) else markdown(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    rows = [list(map(markdown, table.columns)), ["---"] * table.shape[1], *cells]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _seed(given: CardFacts) -> str:
    """The random_state that repeats the tuning; the number drawn from it where that was no int."""
    state = given.random_state
    return (
        str(state)
        if isinstance(state, int)
        else f"{given.tuned.facts.seed}, drawn from {markdown(repr(state))}"
    )


def _loss_table(history: pd.DataFrame) -> str:
    lines = ["| epoch | step | training | validation | validation r |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.epoch:g} | {row.step} | {row.train_loss:.5f} | {row.validation_loss:.5f} | "
        f"{row.validation_r:.3f} |"
        for row in history.itertuples()
    ]
    return "\n".join(lines).replace("nan", "-")


def _began(given: CardFacts) -> str:
    return "" if given.tuned.facts.head_alpha is None else ", with a ridge solution as its head"


def _kept(history: pd.DataFrame) -> str:
    step = history.loc[history["kept"], "step"].iloc[0]
    if history["validation_r"].isna().all():
        return " The weights of the final step were kept."
    before = ", those before tuning" if reverted(history) else ""
    said = say_gain(history)
    return f" The weights of step {step} were kept{before}. On the validation runs {said}."
