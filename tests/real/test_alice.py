"""Word rate and surprisal on real fMRI of twelve people, each through a few public calls.

Everybody heard the same chapter. A model is fitted on the mean of eleven people and scored on the
twelfth at time that was left out, with 16 s purged; the first 20 s after the onset are trimmed.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.fft import dct
from sklearn.pipeline import make_pipeline

import encodekit as ek

ALPHAS = np.logspace(0, 4, 9)
PURGE = "16s"


def through_hrf(features):
    return make_pipeline(features, ek.CanonicalHRF(), ek.RunScaler())


def word_rate_model():
    return make_pipeline(through_hrf(ek.WordRate()), ek.RidgeCV(ALPHAS))


@pytest.fixture(scope="module")
def predicted(segments, responses):
    mean = ek.group_mean(responses)
    return ek.cross_val_predict(word_rate_model(), segments.stimuli, mean, purge=PURGE)


def test_an_impulse_word_lands_in_the_row_computed_by_hand(whole_study):
    """Row 20 has its onset at 20 + 20 x 2 = 60 s and ends at 62 s; a word begins at 61 s."""
    alice = whole_study.stimuli[0]
    word = alice.words.iloc[:1].assign(onset=61.0)
    one = ek.Stimulus("alice", words=word, tr_times=alice.tr_times, t_r=alice.t_r)
    rate = ek.WordRate(resample="sum", history=8).transform([one])
    rows = rate.isel(time=rate.tr.values >= 0)
    assert rows.sizes["time"] == whole_study.responses()[0].sizes["time"] == 362
    assert np.flatnonzero(rows.values[:, 0]).tolist() == [20]
    assert rows.seconds.values[20] == 60.0


def test_speech_begins_with_the_first_row_and_this_is_told(whole_study):
    """The sound file begins 20 s earlier, with silence."""
    assert whole_study.stimuli[0].sound_onset == pytest.approx(20.06, abs=0.01)
    assert "s after the sound begins (study.trim()" in whole_study.describe()


def test_word_rate_of_other_people_predicts_every_region_at_left_out_time(responses, predicted):
    found = ek.permutation_test(responses, predicted, by="region", n_permutations=2000)
    table = found[["r", "z", "p_over_stimulus", "p_over_people"]].to_dataframe()
    print(f"\n{table.set_index('region').round(4).to_string()}")
    assert (found.r > 0.05).all()
    assert (found.p_over_stimulus <= 0.05).sum() >= 5
    # People heard one chapter: a t test over them says much more than there is to say.
    assert (found.p_over_people < found.p_over_stimulus).all()


def test_word_rate_is_best_in_its_own_time(segments, responses):
    """The shift curve: word rate some TRs early or late, fitted anew."""
    mean, r = ek.group_mean(responses), {}
    for shift in range(-4, 5):
        moved = [
            replace(s, words=s.words.assign(onset=s.words.onset + shift * s.t_r))
            for s in segments.stimuli
        ]
        guess = ek.cross_val_predict(word_rate_model(), moved, mean, purge=PURGE)
        r[shift] = float(ek.correlation(responses, guess).mean())
    print("\nTRs late: " + ", ".join(f"{shift}: {value:.3f}" for shift, value in r.items()))
    assert max(r, key=r.get) == 0
    assert r[0] - max(r[-2], r[2]) >= 0.04
    assert max(r[-4], r[4]) < 0.03


def test_surprisal_adds_nothing_to_word_rate_that_ridge_would_keep(segments, responses, predicted):
    """Rate and surprisal, compared by r and as parts of what r chose: neither finds a gain."""
    surprisal = ek.WordValues("surprisal", missing="mean")
    spaces = through_hrf(ek.FeatureSpaces([("rate", ek.WordRate()), ("surprisal", surprisal)]))
    mean, ridge = ek.group_mean(responses), ek.RidgeCV(ALPHAS)
    both = ek.cross_val_predict(make_pipeline(spaces, ridge), segments.stimuli, mean, purge=PURGE)
    compared = ek.compare_models(responses, both, predicted, by="region")
    features = spaces.fit_transform(segments.stimuli)
    parts = ek.variance_partition(ridge, features, mean, by="region", nuisance="rate")
    gain = parts.unique.sel(space="surprisal")
    print(f"\nr {compared.difference.values.round(3)}, share {gain.values.round(3)}")
    assert parts.attrs["metric"] == "correlation"
    assert (compared.low_over_stimulus < 0).all()
    assert (compared.high_over_stimulus < 0.06).all()
    assert (abs(gain) < 0.02).all()
    assert (parts.unique_p.sel(space="surprisal") > 0.05).all()
    assert (parts.unique_p.sel(space="nuisance") < 0.5).sum() >= 5


def test_larger_groups_predict_new_people_better(segments, responses):
    table = ek.learning_curve(
        word_rate_model(), segments.stimuli, responses, vary="group", sizes=[1, 11],
        n_subsets=12, purge=PURGE, random_state=0,
    )  # fmt: skip
    mean = table.groupby("size").score.mean()
    print(f"\n{mean.round(3).to_dict()}")
    assert mean[1] < mean[11]
    assert mean[11] > 0.1


def test_scores_stand_beside_what_groups_share(responses, predicted):
    ceiling = ek.noise_ceiling(responses, method="people")
    normalised = ek.normalise(ek.correlation(responses, predicted), ceiling)
    table = ek.by_region(normalised, by="region").set_index("region")
    print(f"\n{table.drop(columns=['n_targets', 'n_undefined']).round(3).to_string()}")
    assert (ceiling.signal_share_low > 0).mean() > 0.9
    assert (ceiling.ceiling_low <= ceiling.ceiling).all()
    assert table["ceiling"].between(0.2, 0.7).all()
    assert (table["score"] > table["raw"]).all()
    assert (table["low"] < table["score"]).all()
    groups = ek.noise_ceiling(responses, method="groups", scored=["s18", "s22", "s23", "s24"])
    assert (groups.n_model == 8).all()
    assert (groups.between > 0).mean() > 0.8
    assert float(groups.between.mean()) == pytest.approx(
        float(groups.between_expected.mean()), abs=0.1
    )


@pytest.fixture(scope="module")
def bold(whole_study, alice):
    """Clean, z-scored responses as an array ``(TR, person, region)``."""
    run = ek.RunScaler().fit_transform(whole_study.responses()[0])
    return run.values.reshape(len(alice.onsets), len(alice.participants), len(alice.regions))


def lag_one(values, other=None):
    """Return the sum of products one TR apart over that of the same TR, along the first axis."""
    other = values if other is None else other
    return (values[1:] * other[:-1]).sum() / (values * other).sum()


def test_the_autocorrelations_that_a_plan_assumes_are_those_of_people_who_heard_a_story(
    bold, whole_study
):
    """Of what people share, of what is each one's own, and of word rate; and chance from them."""
    n_trs, n_people, _ = bold.shape
    word = through_hrf(ek.WordRate()).fit_transform(whole_study.stimuli).values[:, 0]
    left = bold - word[:, None, None] * np.einsum("t,tpr->pr", word, bold) / n_trs

    def shared(lag):
        first, last = bold[: n_trs - lag], bold[lag:]
        pairs = (first.sum(axis=1) * last.sum(axis=1)).sum() - (first * last).sum()
        return pairs / (n_people - 1)  # on the scale of `all_of`

    def all_of(lag):
        return (bold[: n_trs - lag] * bold[lag:]).sum()

    signal = shared(1) / shared(0)
    noise = (all_of(1) - shared(1)) / (all_of(0) - shared(0))
    prediction = lag_one(word)
    power, loud = (dct(x, axis=0, norm="ortho")[1:] for x in (left, word))
    both = n_trs * np.einsum("kpr,k->", power**2, loud**2) / (power**2).sum() / (loud**2).sum()
    product = lag_one(left) * prediction
    print(
        f"\nnoise {noise:.2f} (residuals {lag_one(left):.2f}), shared {signal:.2f}, word rate "
        f"{prediction:.2f}; chance is inflated {both:.2f} times, by the formula "
        f"{(1 + product) / (1 - product):.2f}"
    )
    assert noise == pytest.approx(0.5, abs=0.05)
    assert signal == pytest.approx(0.8, abs=0.05)
    assert prediction == pytest.approx(0.8, abs=0.05)
    assert both == pytest.approx((1 + product) / (1 - product), abs=0.2)
