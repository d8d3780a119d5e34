"""Linear probes: what the frozen features of a model tell about the sound, layer by layer.

As in the paper, whose downstream tasks are phonemes (several labels at once) and the type of a
sentence. Speakers, words or both are held out, so that a probe cannot do with having met them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifierCV
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from encodekit import FeatureExtractor
from encodekit.core import unknown_name
from encodekit.data import Stimulus

_ALPHAS = np.logspace(0, 4, 5)
_COLUMNS = ("run", "onset", "duration", "labels", "speaker", "word")


@dataclass(frozen=True)
class LabelledAudio:
    """Stretches of audio, each with its labels.

    Attributes
    ----------
    stimuli : list of Stimulus
    table : DataFrame
        ``run``, ``onset`` and ``duration`` (s within the audio), ``labels`` (a tuple of one or
        more), and what can be held out: ``speaker`` and ``word``.
    """

    stimuli: list[Stimulus]
    table: pd.DataFrame

    def __post_init__(self) -> None:
        lacking = [name for name in _COLUMNS if name not in self.table]
        if lacking or self.table.empty:
            raise ValueError(
                f"labelled audio has {len(self.table)} stretches and lacks the columns {lacking}: "
                f"give one row or more, with {', '.join(_COLUMNS)}"
            )

    @classmethod
    def of_clips(
        cls, stimuli: Sequence[Stimulus], labels: Sequence[Any], speakers: Sequence[str]
    ) -> "LabelledAudio":
        """Label whole clips: a sentence's type, a digit; one label each, or a tuple of several.

        Examples
        --------
        >>> import numpy as np
        >>> clip = Stimulus("seven-1", np.zeros(8000), 8000)
        >>> LabelledAudio.of_clips([clip], ["seven"], ["anna"]).table["labels"].tolist()
        [('seven',)]
        """
        named = [(label,) if isinstance(label, str) else tuple(label) for label in labels]
        rows = {
            "run": [stimulus.run_name for stimulus in stimuli],
            "onset": 0.0,
            "duration": [stimulus.audio_duration for stimulus in stimuli],
            "labels": pd.Series(named),
            "speaker": list(speakers),
            "word": ["+".join(label) for label in named],
        }
        return cls(list(stimuli), pd.DataFrame(rows))


def word_labels(
    stimuli: Sequence[Stimulus],
    speakers: Mapping[str, str] | None = None,
    classes: Mapping[str, str] | None = None,
) -> LabelledAudio:
    """Return the words of a study's stories as labels.

    Parameters
    ----------
    stimuli : list of Stimulus
        With ``words``.
    speakers : dict of run to str, optional
        Whose voice it is; every run counts as a speaker if not given.
    classes : dict of word to str, optional
        What is to be told about a word (topic, word class) instead of which one it is; words that
        are not in it are left out.
    """
    rows = []
    for stimulus, table, speaker in _tables(stimuli, "words", speakers):
        for word, onset, duration in table[["word", "onset", "duration"]].itertuples(index=False):
            label = word if classes is None else classes.get(word)
            if label is not None:
                rows.append((stimulus.run_name, onset, duration, (label,), speaker, word))
    return LabelledAudio(list(stimuli), pd.DataFrame(rows, columns=list(_COLUMNS)))


def phone_labels(
    stimuli: Sequence[Stimulus], speakers: Mapping[str, str] | None = None
) -> LabelledAudio:
    """Return, for each word of a study's stories, the phones that begin in it (several labels).

    Parameters
    ----------
    stimuli : list of Stimulus
        With ``words`` and ``phones``.
    speakers : dict of run to str, optional
        Whose voice it is; every run counts as a speaker if not given.
    """
    _check_tables(stimuli, "phones")
    rows = []
    for stimulus, table, speaker in _tables(stimuli, "words", speakers):
        phones: Any = stimulus.phones
        begins = phones["onset"].to_numpy()
        for word, onset, duration in table[["word", "onset", "duration"]].itertuples(index=False):
            inside = (begins >= onset - 1e-6) & (begins < onset + duration - 1e-6)
            labels = tuple(sorted(set(phones["phone"][inside])))
            if labels:
                rows.append((stimulus.run_name, onset, duration, labels, speaker, word))
    return LabelledAudio(list(stimuli), pd.DataFrame(rows, columns=list(_COLUMNS)))


def _tables(
    stimuli: Sequence[Stimulus], name: str, speakers: Mapping[str, str] | None
) -> Iterator[tuple[Stimulus, pd.DataFrame, str]]:
    _check_tables(stimuli, name)
    for stimulus in stimuli:
        run = stimulus.run_name
        yield stimulus, getattr(stimulus, name), run if speakers is None else speakers[run]


def _check_tables(stimuli: Sequence[Stimulus], name: str) -> None:
    lacking = [item.run_name for item in stimuli if getattr(item, name) is None]
    if lacking:
        raise ValueError(
            f"{len(lacking)} stimuli have no {name}, the first is {lacking[0]!r}: pass "
            f"Stimulus({name}=), such as encodekit.read_textgrid gives them"
        )


def probe(
    features: Mapping[str, FeatureExtractor],
    labelled: LabelledAudio,
    *,
    hold_out: str | Sequence[str] = "speaker",
    n_folds: int = 5,
    random_state: int = 0,
) -> pd.DataFrame:
    """Score a linear read-out of each layer of each model on what it has not met.

    A stretch is the mean of its frames, z-scored; the read-out is ridge regression onto +-1 for
    each label, with its penalty chosen by leaving one out within the training part. F1 is the mean
    over the labels that a fold tests (macro).

    Parameters
    ----------
    features : dict of str to FeatureExtractor
        Such as pretrained, single-tuned and multi-tuned; each gives the layers it was made with
        (``layer="all"``).
    labelled : LabelledAudio
    hold_out : {"speaker", "word"} or both
        With both, a fold tests what has a held-out speaker and a held-out word, and learns from
        what has neither.
    n_folds : int
        At most, for each of them; one for each speaker (word) if there are fewer.
    random_state : int
        Decides which speakers (words) go together, and the guesses of ``chance``.

    Returns
    -------
    DataFrame
        ``features``, ``layer``, ``fold``, ``f1``, ``chance`` (F1 of guessing by the frequency of
        the labels), ``n_fit``, ``n_test``.

    Raises
    ------
    ValueError
        If there are fewer than two speakers (words), or a fold tests labels that it cannot learn.
    """
    names = [hold_out] if isinstance(hold_out, str) else list(hold_out)
    y = _answers(labelled.table["labels"])
    folds = list(_folds(labelled.table, names, n_folds, random_state))
    _check_learnable(labelled.table, folds, names)
    rows = []
    for model, extractor in features.items():
        for layer, x in stretch_means(extractor, labelled).items():
            for fold, (fit, test) in enumerate(folds):
                scores = _scores(x, y, fit, test, random_state)
                rows.append((model, layer, fold, *scores, fit.size, test.size))
    columns = ["features", "layer", "fold", "f1", "chance", "n_fit", "n_test"]
    return pd.DataFrame(rows, columns=columns)


Rows = NDArray[np.intp]


def _answers(labels: pd.Series) -> NDArray[Any]:
    """Return one label each (n_stretches,), or their indicators (n_stretches, n_labels)."""
    if labels.map(len).max() == 1:
        return labels.map(lambda one: one[0]).to_numpy(str)
    indicators: NDArray[Any] = MultiLabelBinarizer().fit_transform(labels)
    return indicators


def _scores(
    x: NDArray[Any], y: NDArray[Any], fit: Rows, test: Rows, seed: int
) -> tuple[float, float]:
    """Return F1 of the read-out and of guessing."""
    read_out = make_pipeline(StandardScaler(), RidgeClassifierCV(_ALPHAS))
    guess = DummyClassifier(strategy="stratified", random_state=seed)
    tested = np.flatnonzero(y[test].any(axis=0)) if y.ndim == 2 else np.unique(y[test])
    f1, chance = (
        float(
            f1_score(
                y[test], model.fit(x[fit], y[fit]).predict(x[test]), labels=tested,
                average="macro", zero_division=0.0,
            )
        )
        for model in (read_out, guess)
    )  # fmt: skip
    return f1, chance


def _folds(
    table: pd.DataFrame, names: Sequence[str], n_folds: int, seed: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield the rows that fit and that test, for every combination of held-out groups."""
    random = np.random.RandomState(seed)
    parts = []
    for name in names:
        if name not in ("speaker", "word"):
            raise ValueError(unknown_name("hold_out", name, ("speaker", "word")))
        groups = random.permutation(np.unique(table[name].to_numpy(str)))
        if groups.size < 2:
            raise ValueError(
                f"all {len(table)} stretches have the same {name}, '{groups[0]}': one to hold out "
                "and one to learn from are needed"
            )
        place = {group: number % min(n_folds, groups.size) for number, group in enumerate(groups)}
        parts.append(table[name].astype(str).map(place).to_numpy())
    for held in product(*(np.unique(part) for part in parts)):
        out = np.array([part == number for part, number in zip(parts, held, strict=True)])
        fit, test = np.flatnonzero(~out.any(axis=0)), np.flatnonzero(out.all(axis=0))
        if test.size:
            yield fit, test


def _check_learnable(
    table: pd.DataFrame, folds: Sequence[tuple[Rows, Rows]], names: Sequence[str]
) -> None:
    for number, (fit, test) in enumerate(folds):
        known = {label for labels in table["labels"].iloc[fit] for label in labels}
        new = {label for labels in table["labels"].iloc[test] for label in labels} - known
        if new:
            raise ValueError(
                f"fold {number} tests {len(new)} labels that no other {' and '.join(names)} has, "
                f"the first {min(new)!r}: hold out something that the labels do not decide, or "
                "leave rare labels out"
            )


def stretch_means(
    extractor: FeatureExtractor, labelled: LabelledAudio
) -> dict[int, NDArray[np.float32]]:
    """Return, for each layer, the mean frame (n_stretches, n_features) of every stretch.

    A stretch shorter than the distance of two frames takes the frame nearest to its middle.
    """
    heard = {stimulus.run_name: stimulus for stimulus in labelled.stimuli}
    places = labelled.table.reset_index(drop=True).groupby("run", sort=False)
    means: dict[int, list[Any]] = {}
    order: list[int] = []
    for run, rows in places:
        order += list(rows.index)
        frames = extractor.frames(heard[str(run)])
        seconds = frames["seconds"].values
        inside = [_inside(seconds, onset, length) for onset, length in
                  rows[["onset", "duration"]].itertuples(index=False)]  # fmt: skip
        layers = frames["layer"].values
        for layer in np.unique(layers):
            values = frames.values[:, layers == layer]
            means.setdefault(int(layer), []).extend(values[some].mean(axis=0) for some in inside)
    back = np.argsort(order)
    return {layer: np.stack(rows)[back].astype(np.float32) for layer, rows in means.items()}


def _inside(seconds: NDArray[np.float64], onset: float, duration: float) -> Rows:
    found = np.flatnonzero((seconds >= onset) & (seconds < onset + duration))
    return found if found.size else np.array([np.abs(seconds - onset - duration / 2).argmin()])
