"""A lab's own folder from its files to a statistic, against what was planted in them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.cli import main

T_R, SECONDS, LAG, SHARE = 2.0, 160.0, 2, 0.5
STORIES = [f"story-{k}" for k in range(1, 7)]
VOXELS = {"P1": 8, "P2": 11, "P3": 9, "P4": 14}
EVERY = 2  # every second voxel hears words
BEFORE = 3  # TRs


def counts(onsets, start, n_rows):
    """Return the words that begin in each TR of a scan."""
    return np.histogram(onsets, start + T_R * np.arange(n_rows + 1))[0].astype(float)


class Lab:
    """Four people; P2 was late for story-2, P3's story-3 was cut, P4 lacks story-4."""

    def __init__(self, root, lab):
        self.root, self.rng = root, np.random.default_rng(4)
        root.mkdir()
        self.words = {}
        stimuli = {story: self.stimulus(story, lab) for story in STORIES}
        people = {person: self.person(person) for person in VOXELS}
        lab.rewrite(root, {"encodekit_study": 1, "name": "lab", "t_r": T_R, "units": "BOLD",
                           "stimuli": stimuli, "participants": people})  # fmt: skip

    def stimulus(self, story, lab):
        lab.write_sound(self.root / f"{story}.wav", SECONDS)
        times = self.rng.uniform(0, SECONDS - 0.3, 230)
        slow = np.sin(times / 5) + self.rng.normal(0, 1, times.size) < 0
        times = np.sort(np.append(times[~slow], 0.5))
        self.words[story] = times
        table = pd.DataFrame({"word": "w", "onset": times, "duration": 0.2})
        table.to_csv(self.root / f"{story}.csv", index=False)
        return {"audio": f"{story}.wav", "words": f"{story}.csv", "scan_starts": -BEFORE * T_R}

    def person(self, person):
        entries, confounds = {}, {}
        for story in STORIES:
            if (person, story) == ("P4", "story-4"):
                continue
            late = (person, story) == ("P2", "story-2")
            start = 8.0 if late else -BEFORE * T_R
            n_rows = (
                50 if (person, story) == ("P3", "story-3") else int((SECONDS - start) / T_R) + 2
            )
            names = [f"{person}_{story}_{k}" for k in range(2 if story == "story-1" else 1)]
            own = {"scan_starts": start} if late else {}
            entries[story] = [{"file": f"{name}.npy", **own} for name in names]
            confounds[story] = [f"{name}.tsv" for name in names]
            for name in names:
                self.scan(name, story, start, n_rows, VOXELS[person])
        return {"responses": entries, "confounds": confounds}

    def scan(self, name, story, start, n_rows, n_voxels):
        heard = counts(self.words[story], start - LAG * T_R, n_rows)
        scale = np.std(np.concatenate([counts(t, 0, 80) for t in self.words.values()]))
        values = self.rng.standard_normal((n_rows, n_voxels))
        values[:, ::EVERY] *= np.sqrt(1 - SHARE)
        values[:, ::EVERY] += np.sqrt(SHARE) * (heard / scale)[:, None]
        motion = self.rng.standard_normal((n_rows, 2)).cumsum(axis=0)
        weights = self.rng.standard_normal((2, n_voxels))
        np.save(self.root / f"{name}.npy", 500 + values + motion @ weights)
        table = pd.DataFrame(motion, columns=["trans_x", "rot_y"])
        table["framewise_displacement"] = table["trans_x"].diff().abs()
        path = self.root / f"{name}.tsv"
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")


@pytest.fixture(scope="module")
def own(load_module, tmp_path_factory):
    lab = load_module(Path(__file__).with_name("lab_folder.py"))
    return Lab(tmp_path_factory.mktemp("own") / "lab", lab)


@pytest.fixture(scope="module")
def cleaned(own):
    study = ek.load_study(own.root)
    return study.clean(ek.ConfoundRemover(n_cosines=0)).trim("20s")


def planted(response):
    """Tell which targets hear words: every second one of each participant."""
    numbers = [int(str(name).rsplit("/", 1)[1]) for name in response.target.values]
    return np.array(numbers) % EVERY == 0


def test_check_says_what_the_lab_is(own, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", str(own.root)])
    assert ended.value.code in (0, None)
    out = capsys.readouterr().out
    for line in (
        "lab: 4 participants, 6 runs (16.0 min), TR 2 s",
        "run 'story-2', P2: 0 rows before the sound and 2 after its end are left out, of 78",
        "run 'story-2', P2: has TRs 4 to 79 of 0 to 79",
        "run 'story-3', P3: has TRs 0 to 46 of 0 to 79",
        "framewise_displacement: n/a in row 0",
        "P4: 14 targets, 5 runs, 1 of them heard 2 times, lacks story-4",
    ):
        assert line in out


def test_what_a_participant_lacks_is_nan(cleaned):
    """Of a run trimmed by 20 s, TR k is TR k + 10 of the sound."""
    by_run = dict(zip(cleaned.runs, cleaned.responses(), strict=True))

    def there(run, person):
        values = by_run[run].values[:, by_run[run].participant.values == person]
        return np.flatnonzero(np.isfinite(values).all(axis=1)).tolist()

    assert there("story-2", "P2") == list(range(70))  # it began 8 s late, which is trimmed
    assert there("story-3", "P3") == list(range(37))
    assert there("story-4", "P4") == []
    assert there("story-4", "P1") == list(range(70))


def test_lag_and_strength_are_those_that_were_planted(own, cleaned):
    model = make_pipeline(
        ek.WordRate(resample="sum"), ek.Delayer(delays=[0, 1, 2, 3, 4]), ek.RidgeCV()
    )
    model.fit(cleaned.stimuli, cleaned.responses())
    coefs = model[-1].coef_
    hears = planted(coefs)
    scale = np.std(np.concatenate([counts(times, 0, 80) for times in own.words.values()]))
    by_delay = coefs.values * scale  # (delay, target), in SDs of the word rate
    assert (np.abs(by_delay[:, hears]).argmax(axis=0) == LAG).all()
    assert by_delay[LAG, hears].mean() == pytest.approx(np.sqrt(SHARE), abs=0.05)
    others = np.delete(by_delay[:, hears], LAG, axis=0)
    assert np.abs(others.mean(axis=1)).max() < 0.1
    assert np.abs(by_delay[:, ~hears]).mean() < 0.1


def test_predictions_are_significant_where_words_were_planted_alone(cleaned):
    model = make_pipeline(
        ek.WordRate(resample="sum"), ek.Delayer(delays=[1, 2, 3]), ek.RidgeCV([1.0, 10.0, 100.0])
    )
    true = cleaned.responses()
    predicted = ek.cross_val_predict(model, cleaned.stimuli, true)
    r = ek.correlation(true, predicted)
    hears = planted(r)
    # the mean of two repeats is nearer to the signal than one: r is sqrt(.5) to sqrt(2/3)
    assert np.sqrt(SHARE) - 0.06 < r.values[hears].mean() < np.sqrt(2 / 3)
    assert np.abs(r.values[~hears].mean()) < 0.1
    tested = ek.permutation_test(true, predicted, n_permutations=500)
    assert (tested.q_over_stimulus.values[hears] < 0.05).all()
    assert (tested.q_over_stimulus.values[~hears] < 0.05).mean() < 0.2


def test_the_noise_ceiling_of_native_voxels_is_that_of_what_was_planted(cleaned):
    ceiling = ek.noise_ceiling(cleaned.repeats())
    share = ceiling.signal_share.values
    hears = planted(ceiling.signal_share)
    assert share[hears].mean() == pytest.approx(SHARE, abs=0.1)
    assert share[~hears].mean() == pytest.approx(0, abs=0.1)


def test_a_stored_copy_is_the_same_study(own, tmp_path):
    first = ek.load_study(own.root, store=tmp_path / "store")
    again = ek.load_study(tmp_path / "store")
    for one, other in zip(first.responses(), again.responses(), strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    assert json.loads((own.root / "study.json").read_text())["name"] == again.name
    described = json.loads((own.root / "study.json").read_text())
    described["description"] = "Another."
    (own.root / "other.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="loaded with something else"):
        ek.load_study(own.root / "other.json", store=tmp_path / "store")
