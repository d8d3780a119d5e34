"""The classic pipeline on real fMRI: word rate, a fixed haemodynamic response, weights of others.

Everybody heard the same chapter, so chance is what a feature that is shifted against ALL people's
responses by the same time reaches (joint circular shifts of at least 15 TRs).
"""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import make_response

PURGE = 16.0  # s between a test fold and what the weights are fitted on
N_FOLDS = 5


@pytest.fixture(scope="module")
def clean_study(alice):
    """Alice as a study of one long run, drifts (12 cosines) and motion removed."""
    stimulus = ek.Stimulus("alice", words=alice.words, tr_times=alice.onsets, t_r=alice.t_r)
    responses, confounds = {}, {}
    for person, bold, motion in zip(alice.participants, alice.bold, alice.motion, strict=True):
        responses[person] = {
            "alice": make_response(
                bold,
                run="alice",
                participant=person,
                tr_times=alice.onsets,
                t_r=alice.t_r,
                region=alice.regions,
                target=[f"{person}/{region}" for region in alice.regions],
                units="scanner",
            )
        }
        confounds[person] = {"alice": motion}
    study = ek.Study("alice", [stimulus], responses, confounds=confounds)
    return study.clean(ek.ConfoundRemover(n_cosines=12))


def test_an_impulse_word_lands_in_the_row_computed_by_hand(clean_study):
    """Row 20 has its onset at 20 + 20 x 2 = 60 s and ends at 62 s; a word begins at 61 s."""
    alice = clean_study.stimuli[0]
    word = alice.words.iloc[:1].assign(onset=61.0)
    one = ek.Stimulus("alice", words=word, tr_times=alice.tr_times, t_r=alice.t_r)
    rate = ek.WordRate(resample="sum", history=8).transform([one])
    rows = rate.isel(time=rate.tr.values >= 0)
    assert rows.sizes["time"] == clean_study.responses()[0].sizes["time"] == 362
    assert np.flatnonzero(rows.values[:, 0]).tolist() == [20]
    assert rows.seconds.values[20] == 60.0


def word_rate(stimulus, shift_seconds=0.0):
    """Return word rate through the canonical response (TR,), evaluated ``shift_seconds`` late."""
    moved = ek.Stimulus(
        "alice",
        words=stimulus.words,
        tr_times=stimulus.grid,
        t_r=stimulus.t_r,
        sample_offset=stimulus.offset + shift_seconds,
    )
    pipeline = make_pipeline(ek.WordRate(history=32.0), ek.CanonicalHRF(), ek.RunScaler())
    return pipeline.fit_transform([moved]).values[:, 0]


def others_mean(bold):
    """Return, for each person, the mean response of the others: ``(TR, person, region)``."""
    return (bold.sum(axis=1, keepdims=True) - bold) / (bold.shape[1] - 1)


def left_out_r(feature, bold, n_gap):
    """Return r per region: weights from eleven people, tested on the twelfth at left-out time."""
    n_trs, n_people, n_regions = bold.shape
    model_of = others_mean(bold).reshape(n_trs, -1)
    r = np.zeros((n_people, n_regions))
    for test in np.array_split(np.arange(n_trs), N_FOLDS):
        train = np.ones(n_trs, bool)
        train[max(test[0] - n_gap, 0) : test[-1] + 1 + n_gap] = False
        groups = np.repeat(np.arange(4), np.ceil(train.sum() / 4))[: train.sum()]
        ridge = ek.RidgeCV(alphas=[1.0, 10.0, 100.0])
        ridge.fit(feature[train, None], model_of[train], groups=groups, runs=groups)
        predicted = ridge.predict(feature[test, None]).reshape(len(test), n_people, n_regions)
        for person in range(n_people):
            scores = ek.correlation(bold[test, person], predicted[:, person])
            r[person] += np.asarray(scores) * len(test) / n_trs
    return r.mean(axis=0)


@pytest.fixture(scope="module")
def bold(clean_study, alice):
    """Clean, z-scored responses as an array ``(TR, person, region)``."""
    run = ek.RunScaler().fit_transform(clean_study.responses()[0])
    return run.values.reshape(len(alice.onsets), len(alice.participants), len(alice.regions))


@pytest.fixture(scope="module")
def n_gap(alice):
    return int(np.ceil(PURGE / alice.t_r))


@pytest.mark.filterwarnings("ignore:.*edge of the grid.*")
def test_word_rate_predicts_every_region_above_joint_shifts(clean_study, bold, n_gap, alice):
    feature = word_rate(clean_study.stimuli[0])
    r = left_out_r(feature, bold, n_gap)
    shifts = np.linspace(15, len(feature) - 15, 60).astype(int)
    null = np.array([left_out_r(np.roll(feature, shift), bold, n_gap) for shift in shifts])
    z = (r - null.mean(axis=0)) / null.std(axis=0, ddof=1)
    p = (1 + (null >= r).sum(axis=0)) / (1 + len(null))
    for region, *figures in zip(alice.regions, r, z, p, strict=True):
        print("\n{}: r {:.3f}, z {:.1f}, p {:.3f}".format(region, *figures), end="")
    assert np.isfinite(null).all()
    assert (r > 0).all()
    assert (p < 0.05).all()


@pytest.mark.filterwarnings("ignore:.*edge of the grid.*")
@pytest.mark.parametrize("n_trs", [-2, 2])
def test_two_trs_late_or_early_lose(clean_study, bold, n_gap, alice, n_trs):
    stimulus = clean_study.stimuli[0]
    right = left_out_r(word_rate(stimulus), bold, n_gap).mean()
    wrong = left_out_r(word_rate(stimulus, n_trs * alice.t_r), bold, n_gap).mean()
    print(f"\nmean r over regions {right:.3f}; shifted by {n_trs} TRs {wrong:.3f}")
    assert right - wrong >= 0.04


def test_regions_are_significant_over_stimulus_beside_their_ceilings(clean_study, alice):
    """Word rate against each person's response; people heard one chapter, so t over them flatters.

    The ceilings are what people share: the best that one model for all of them could reach.
    """
    responses = clean_study.responses()[0]
    feature = word_rate(clean_study.stimuli[0])
    predicted = responses.copy(data=np.repeat(feature[:, None], responses.sizes["target"], axis=1))
    found = ek.permutation_test(responses, predicted, by="region", n_permutations=2000)
    ceiling = ek.noise_ceiling(responses, method="people")
    normalised = ek.normalise(ek.correlation(responses, predicted), ceiling)
    table = ek.by_region(normalised, by="region").set_index("region")
    assert table.index.tolist() == found.region.values.tolist() == alice.regions
    table["p_over_stimulus"], table["q_over_stimulus"] = (
        found.p_over_stimulus,
        found.q_over_stimulus,
    )
    table["p_over_people"] = found.p_over_people
    print(f"\n{table.drop(columns=['n_targets', 'n_undefined']).round(4).to_string()}")
    assert (found.q_over_stimulus < 0.05).all()
    assert (found.p_over_people < 0.01).all()
    assert (found.n_people == 12).all()
    assert (ceiling.signal_share > 0).all()
    assert float(ceiling.upper.mean()) > float(ceiling.upper_floor.mean())
    assert table["ceiling"].between(0.2, 0.7).all()
    assert (table["score"] > table["raw"]).all()


def test_the_ceilings_over_people_say_how_sure_they_are(clean_study):
    ceiling = ek.noise_ceiling(clean_study.responses()[0], method="people")
    assert (ceiling.ceiling_low <= ceiling.ceiling).all()
    assert (ceiling.ceiling <= ceiling.ceiling_high).all()
    assert (ceiling.ceiling_high - ceiling.ceiling_low < 0.5).all()
