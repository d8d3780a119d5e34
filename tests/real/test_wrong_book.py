"""Word rates of another book must not predict real fMRI, though both begin with speech."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import make_response

TRIM = 20.0  # s


@pytest.fixture(scope="module")
def books(little_prince):
    """The seven sections, and all of them one after another."""
    offsets = np.cumsum([0.0, *(words.onset.max() + 2 for words in little_prince.values())])
    moved = [
        words.assign(onset=words.onset + offset)
        for words, offset in zip(little_prince.values(), offsets, strict=False)
    ]
    return {**little_prince, "all sections": pd.concat(moved, ignore_index=True)}


def through_hrf(stimulus):
    """Return word rate through the haemodynamic response (TR,)."""
    return make_pipeline(ek.WordRate(), ek.CanonicalHRF()).fit_transform([stimulus]).values[:, 0]


def rate_of(words, first, n_trs):
    """Return the word rate (TR,) of a book, its first TR ``first`` s after its onset."""
    n_trs = min(n_trs, int((words.onset.max() - first) // 2))
    times = first + 2.0 * np.arange(n_trs)
    return through_hrf(ek.Stimulus("book", words=words, tr_times=times, t_r=2.0))


def predictions(rate, like, run):
    """Return one feature as the prediction of every target of ``like``.

    Another book begins with its first row; the chapter that was heard 20 s into its sound file.
    """
    times = like.seconds.values[: len(rate)]
    times = times if run == "alice" else times - times[0]
    values = np.repeat(rate[:, None], like.sizes["target"], axis=1)
    return make_response(
        values, run=run, participant="all", t_r=2.0, tr_times=times,
        target=like.target.values,
    ).assign_coords(
        participant=like.participant, region=like.region,
        sound_onset=("time", np.full(len(rate), 20.0 if run == "alice" else 0.0)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(whole_study, books):
    """p (book, region) with and without the first 20 s; the true book's last."""
    tables = {}
    for trim in (0.0, TRIM):
        study = whole_study.trim(trim)
        y = study.responses()[0]
        rates = {name: rate_of(words, trim, y.sizes["time"]) for name, words in books.items()}
        rates["alice"] = through_hrf(study.stimuli[0])
        p = {}
        for name, rate in rates.items():
            guess = predictions(rate, y, "alice")
            test = ek.permutation_test(y[: len(rate)], guess, by="region", n_permutations=2000)
            p[name] = test.p_over_stimulus.values
        tables[trim] = pd.DataFrame(p)
    return tables


def said(p):
    """Return the share of p <= .05 with its exact 95 % interval over books, as if independent."""
    k, n = int((p <= 0.05).to_numpy().sum()), p.size
    low, high = stats.binomtest(k, n).proportion_ci()
    return f"{k} of {n}: {k / n:.3f} [{low:.3f}, {high:.3f}]"


@pytest.mark.filterwarnings("ignore:permutation_test.*after their sound begins:UserWarning")
@pytest.mark.filterwarnings("ignore:permutation_test.*responses and predictions:UserWarning")
def test_another_book_is_found_with_its_onset_and_not_without(found):
    whole, trimmed = (found[trim].drop(columns="alice") for trim in (0.0, TRIM))
    print(f"\nfrom the onset {said(whole)}; trimmed by 20 s {said(trimmed)}")
    assert (whole <= 0.05).to_numpy().mean() > 0.25
    assert (trimmed <= 0.05).to_numpy().mean() <= 0.075


@pytest.mark.filterwarnings("ignore:permutation_test.*after their sound begins:UserWarning")
@pytest.mark.filterwarnings("ignore:permutation_test.*responses and predictions:UserWarning")
def test_the_book_that_was_heard_is_found_all_the_same(found):
    p = found[TRIM]["alice"]
    print(f"\np of the true word rate: {p.round(4).tolist()}")
    assert (p <= 0.05).sum() >= 5


def test_predictions_of_other_sections_do_as_well_as_a_wrong_book_and_worse_than_the_right_one(
    whole_study, little_prince
):
    """Untrimmed: the onset is in the wrong predictions too."""
    y = whole_study.responses()[0]
    rates = {name: rate_of(words, 0.0, len(y)) for name, words in little_prince.items()}
    others = {name: predictions(rate, y, name) for name, rate in rates.items()}
    wrong = []
    for name, rate in rates.items():
        test = ek.wrong_stimulus_test(
            y[: len(rate)],
            predictions(rate, y, "alice"),
            others=[other for book, other in others.items() if book != name],
            by="region",
        )
        wrong.append(test.p_wrong_stimulus.values)
    own = predictions(through_hrf(whole_study.stimuli[0]), y, "alice")
    right = ek.wrong_stimulus_test(y, own, others=list(others.values()), by="region")
    print(f"\nwrong {said(pd.DataFrame(wrong))}; right {right.p_wrong_stimulus.values.round(4)}")
    assert (np.array(wrong) <= 0.05).mean() <= 0.075
    assert (right.p_wrong_stimulus <= 0.05).sum() >= 5
