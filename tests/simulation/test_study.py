"""The simulated study: its form, its seeds, and the truth that it tells."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import encodekit as ek
from encodekit.simulation import HELD_OUT_VOICE, HELD_OUT_WORDS, STUDY_VOICES, simulate_study
from encodekit.simulation._recipe import Recipe

SMALL: dict[str, Any] = {
    "n_participants": 2,
    "n_stories": 3,
    "minutes": 0.5,
    "n_test": 1,
    "test_repeats": 3,
    "vertices": 30,
    "cache": False,
}


@pytest.fixture(scope="module")
def small() -> ek.Study:
    return simulate_study(**SMALL)


def _recipe(**changed: Any) -> Recipe:
    whole: dict[str, Any] = {
        "n_participants": 8, "n_stories": 16, "minutes": 2.5, "t_r": 2.0, "snr": "clear",
        "null": None, "n_test": 2, "test_repeats": 8, "vertices": None, "missing": 0.0,
        "voices": STUDY_VOICES, "words_held_out": (), "seed": 0,
    }  # fmt: skip
    return Recipe(**{**whole, **changed})


def _digest(study: ek.Study) -> str:
    sums = hashlib.sha256()
    for run in study.responses():
        sums.update(np.ascontiguousarray(run.values).tobytes())
    sums.update("".join(stimulus.content_hash for stimulus in study.stimuli).encode())
    return sums.hexdigest()


def test_a_study_keeps_the_data_contract(small: ek.Study) -> None:
    for run in small.responses():
        ek.validate(run)
    ek.validate(small.repeats())
    assert small.responses()[0].attrs["space"] == "fsaverage5"
    assert small.responses()[0].dtype == np.float32
    assert [stimulus.sampling_rate for stimulus in small.stimuli] == [16_000] * 3
    assert small.repeats().sizes["repeat"] == 3
    assert small.repeats().sizes["time"] == 15


def test_each_repeat_of_each_run_is_z_scored(small: ek.Study) -> None:
    repeats = small.repeats().values
    np.testing.assert_allclose(repeats.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(repeats.std(axis=1), 1, atol=1e-5)


def test_participants_have_the_same_vertices_and_true_region_names(small: ek.Study) -> None:
    response = small.responses()[0]
    one, two = (response.isel(target=response.participant.values == p) for p in ("P1", "P2"))
    for name in ("hemisphere", "vertex", "region"):
        np.testing.assert_array_equal(one[name].values, two[name].values)
    atlas = ek.make_regions("glasser", space="fsaverage5").atlas
    left = one.hemisphere.values == "left"
    expected = atlas.region_of("left", one.vertex.values[left])
    np.testing.assert_array_equal(one.region.values[left], expected)
    follows = small.truth.follows.values[: one.sizes["target"]]
    language = np.isin(one.region.values, atlas.areas("late_language"))
    np.testing.assert_array_equal(follows == "language", language)


def test_all_vertices_of_both_groups_are_there_by_default() -> None:
    from encodekit.simulation._cortex import simulated_cortex

    cortex = simulated_cortex()
    counts = {kind: int((cortex.follows == kind).sum()) for kind in np.unique(cortex.follows)}
    assert counts == {"acoustics": 490, "language": 1611, "nothing": 300}


def test_the_seed_decides_every_byte_in_any_process(small: ek.Study) -> None:
    code = (
        "import numpy as np, hashlib; from encodekit.simulation import simulate_study\n"
        f"study = simulate_study(**{SMALL!r})\n"
        "sums = hashlib.sha256()\n"
        "for run in study.responses():\n"
        "    sums.update(np.ascontiguousarray(run.values).tobytes())\n"
        "sums.update(''.join(s.content_hash for s in study.stimuli).encode())\n"
        "print(sums.hexdigest())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.decode().strip() == _digest(small)


def test_a_seed_gives_the_values_that_it_always_gave(small: ek.Study) -> None:
    rows, columns = [3, 10], [0, 12, 29, 45]
    first, _, last = (run.values[rows][:, columns].ravel() for run in small.responses())
    np.testing.assert_allclose(
        first,
        [-2.516889, -0.681852, 0.51792, 0.050312, 1.010937, -1.347522, -0.567506, -1.444273],
        atol=2e-5,
    )
    np.testing.assert_allclose(
        last,
        [-0.452245, 0.280004, -0.010134, 0.181599, -0.591161, -0.330602, 0.402373, -0.419915],
        atol=2e-5,
    )
    truth = small.truth
    share = [0.11525637, 0.10572567, 0.02094377, 0.0]
    np.testing.assert_allclose(truth.share.values[[0, 5, 12, 40]], share, atol=1e-7)
    np.testing.assert_allclose(truth.late.values[[0, -1]], [-0.4681122, -0.7655765], atol=1e-7)
    unrelated = simulate_study(**SMALL, null="unrelated", seed=5).truth
    for known, expected in (
        (truth, [-0.5580808, 0.0266753, 0.0076084, 0.2388328, 0.045914, 0.1355358]),
        (unrelated, [0.058806, 0.0037314, 0.1656283, -0.0539877, 0.2634214, -0.0352074]),
    ):
        found = known.response.values[[3, 40]][:, [0, 12, 45]].ravel()
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_another_seed_gives_other_stories_brains_and_noise(small: ek.Study) -> None:
    other = simulate_study(**SMALL, seed=1)
    assert other.stimuli[0].audio_hash != small.stimuli[0].audio_hash
    assert abs(np.corrcoef(other.truth.share, small.truth.share)[0, 1]) < 0.9
    assert not np.allclose(other.truth.word_vector, small.truth.word_vector)


def test_more_people_and_stories_leave_the_first_ones_as_they_are(small: ek.Study) -> None:
    more = simulate_study(**{**SMALL, "n_participants": 3, "n_stories": 4})
    assert more.stimuli[0].audio_hash == small.stimuli[0].audio_hash
    first, again = (study.truth.sel(target=small.truth.target) for study in (small, more))
    np.testing.assert_array_equal(first.share, again.share)
    np.testing.assert_array_equal(first.late, again.late)


def test_repeated_stories_are_the_last_and_others_before_it() -> None:
    assert _recipe().test_stories == ["story-10", "story-16"]
    assert _recipe(n_test=0).test_stories == []
    for n_stories in range(1, 20):
        for n_test in range(n_stories + 1):
            assert len(set(_recipe(n_stories=n_stories, n_test=n_test).test_stories)) == n_test


def test_the_script_of_the_design_finds_repeats_of_story_10() -> None:
    assert "story-10" in _recipe().test_stories


def test_voices_take_turns_and_the_held_out_one_is_not_among_them(small: ek.Study) -> None:
    assert HELD_OUT_VOICE not in STUDY_VOICES
    hashes = {
        simulate_study(**{**SMALL, "n_stories": 1}, voices=[voice]).stimuli[0].audio_hash
        for voice in STUDY_VOICES[:2]
    }
    assert len(hashes) == 2
    assert small.stimuli[0].audio_hash in hashes


def test_words_held_out_are_in_no_story() -> None:
    study = simulate_study(**SMALL, words_held_out=HELD_OUT_WORDS)
    heard = {word for stimulus in study.stimuli for word in stimulus.words["word"]}
    assert not heard & HELD_OUT_WORDS


def test_participants_lack_runs_but_somebody_heard_each() -> None:
    study = simulate_study(**{**SMALL, "n_stories": 5}, missing=0.5)
    lacking = {
        (participant, str(run.run.values[0]))
        for run in study.responses()
        for participant in study.participants
        if np.isnan(run.values[:, run.participant.values == participant]).all()
    }
    assert len(lacking) == 4  # 2 of the 4 stories heard once, for each of 2 people
    assert len({run for _, run in lacking}) == 4
    assert not {run for _, run in lacking} & set(study.truth.attrs["test_stories"])


def test_truth_follows_the_parts_of_a_split(small: ek.Study) -> None:
    train, test = small.split(test=["story-03"])
    assert train.truth.sizes["time"] == 30
    assert set(test.truth.run.values) == {"story-03"}


def test_another_repetition_time_gives_another_grid() -> None:
    study = simulate_study(**{**SMALL, "t_r": 1.5})
    np.testing.assert_allclose(study.stimuli[0].grid, np.arange(20) * 1.5)
    assert study.responses()[0].attrs["sample_offset"] == 0.75


def test_a_cached_study_is_the_study_that_was_built(
    small: ek.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path))
    first, again = (simulate_study(**{**SMALL, "cache": True}) for _ in range(2))
    assert len(list((tmp_path / "studies").iterdir())) == 1
    assert _digest(first) == _digest(again) == _digest(small)
    np.testing.assert_array_equal(again.truth.response.values, small.truth.response.values)
    assert again.truth.attrs["test_stories"] == ["story-03"]
    assert list(again.stimuli[0].words) == list(small.stimuli[0].words)


def test_a_damaged_cache_is_made_anew(
    small: ek.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path))
    simulate_study(**{**SMALL, "cache": True})
    (folder,) = (tmp_path / "studies").iterdir()
    (folder / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"cached study .* is not whole, and is made anew"):
        study = simulate_study(**{**SMALL, "cache": True})
    assert _digest(study) == _digest(small)


def test_a_cache_that_cannot_be_written_only_warns(
    small: ek.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studies").write_text("a file, not a folder")
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path))
    with pytest.warns(UserWarning, match=r"cannot be cached in .*studies"):
        study = simulate_study(**{**SMALL, "cache": True})
    assert _digest(study) == _digest(small)


def test_every_parameter_that_decides_about_values_is_in_the_key() -> None:
    changed = {
        "n_participants": 3, "n_stories": 4, "minutes": 2.0, "t_r": 1.0, "snr": "realistic",
        "null": "nothing", "n_test": 1, "test_repeats": 2, "vertices": 9, "missing": 0.1,
        "voices": ("en-us",), "words_held_out": ("dog",), "seed": 1,
    }  # fmt: skip
    keys = {_recipe(**{name: value}).key() for name, value in changed.items()}
    assert len(keys | {_recipe().key(), _recipe().key("balls")}) == len(changed) + 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_participants": 0}, r"n_participants=0, expected 1 or more"),
        ({"n_stories": 0, "n_test": 0}, r"n_stories=0, expected 1 or more"),
        ({"test_repeats": 0}, r"test_repeats=0, expected 1 or more"),
        ({"n_test": 17}, r"n_test=17 of n_stories=16: take 0 to all"),
        ({"minutes": 0.1}, r"minutes=0.1 and t_r=2 s: a story needs 4 TRs"),
        ({"t_r": 0.0}, r"t_r=0 s: a story needs 4 TRs"),
        ({"null": "nothin"}, r"unknown null 'nothin': did you mean 'nothing'"),
        ({"voices": ()}, r"voices is empty"),
        ({"missing": 0.6}, r"missing=0.6 .* take 0 to 0.5"),
        ({"missing": 0.2, "n_participants": 1}, r"two participants or more"),
        ({"snr": "clean"}, r"snr='clean': take 'clear', 'realistic'"),
        ({"snr": (0.2, 0.1)}, r"snr=\(0.2, 0.1\).*lowest and the highest share"),
        ({"n_stories": 0, "minutes": 0.01}, r"n_stories=0.*; .*minutes=0.01"),
    ],
)
def test_bad_parameters_are_refused_with_every_mistake(
    parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_study(**parameters, cache=False)


@pytest.mark.parametrize("vertices", [2, 100_000])
def test_a_number_of_vertices_that_is_not_there_is_refused(vertices: int) -> None:
    with pytest.raises(ValueError, match=rf"vertices={vertices}: take from 3 to 2401"):
        simulate_study(**{**SMALL, "vertices": vertices})


def test_the_study_loads_by_name() -> None:
    study = ek.load_study("simulated", **SMALL)
    assert study.name == "simulated"
    assert "seed 0" in study.describe()


def test_without_an_atlas_regions_are_balls_around_coordinates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("encodekit.simulation._cortex.atlas_source", lambda: "balls")
    study = simulate_study(**{**SMALL, "vertices": None})
    response = study.responses()[0]
    assert set(response.region.values) == {"early_auditory", "late_language", "other"}
    counts = {
        kind: int((study.truth.follows.values == kind).sum()) // 2
        for kind in ("acoustics", "language", "nothing")
    }
    assert counts["nothing"] == 300
    assert 200 < counts["acoustics"] < 700
    assert 800 < counts["language"] < 2500
