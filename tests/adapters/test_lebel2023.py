import csv

import numpy as np
import pytest

import encodekit as ek
from encodekit.testing import check_study
from encodekit.testing._studies import STUDY_CHECKS
from encodekit_adapters import _lebel_facts as facts
from encodekit_adapters.lebel2023 import voxel_volume

PEOPLE = ["UTS01", "UTS04", "UTS05", "UTS09"]  # one of each kind


@pytest.fixture(scope="module")
def study(lebel):
    return ek.load_study("lebel2023", root=lebel, participants=PEOPLE)


class TestTrueLayout:
    def test_every_participant_has_the_stories_that_the_data_set_lists(self, study, real_data):
        with (real_data / "ds003020" / "preprocessed_sizes.csv").open() as file:
            rows = list(csv.DictReader(file))
        listed = {(row["subject"], row["story"]) for row in rows}
        ours = {(p, run) for p in facts.participants() for run in facts.stories_of(p)}
        assert ours == listed
        described = study.describe()
        for person in study.participants:
            assert f"{person}: 4 targets, {len(facts.stories_of(person))} runs" in described

    def test_the_stated_sizes_are_those_of_the_data_set(self, real_data):
        with (real_data / "ds003020" / "preprocessed_sizes.csv").open() as file:
            for row in csv.DictReader(file):
                assert facts.hf5_bytes(row["subject"], row["story"]) == int(row["hf5_bytes"])

    def test_features_have_as_many_trs_as_responses_in_every_story(self, study, respdict):
        features = ek.WordRate(history=8).transform(study.stimuli)
        kept = features.isel(time=features.tr.values >= 0)
        for response in study.responses():
            run = response.run.values[0]
            assert response.sizes["time"] == respdict[run] - 20
            assert (kept.run.values == run).sum() == response.sizes["time"]

    def test_the_test_story_has_291_trs_and_10_or_5_repeats(self, study):
        test = study.select(stimuli="wheretheressmoke")
        repeats = test.repeats()
        assert (repeats.sizes["time"], repeats.sizes["repeat"]) == (291, 10)
        counted = dict(zip(repeats.participant.values, repeats.n_repeats.values, strict=True))
        assert counted == {p: 10 if p in ("UTS01", "UTS02", "UTS03") else 5 for p in counted}
        assert list(counted) == PEOPLE

    def test_the_response_of_the_test_story_is_the_mean_of_its_repeats(self, study, layouts):
        asked = study.select("wheretheressmoke", "UTS04").responses()[0]
        arrays = layouts.lebel_arrays("UTS04", "wheretheressmoke", 291)
        np.testing.assert_allclose(asked.values, arrays["data"], rtol=1e-5, atol=1e-6)

    def test_an_impulse_word_lands_in_the_row_computed_by_hand(self, study):
        """Row 20 has its onset at 10 + 20 x 2 = 50 s; the word begins at 51 s, mid-TR."""
        stories = study.select(stimuli=["buck", "wheretheressmoke"]).stimuli
        rate = ek.WordRate(history=8, resample="sum").transform(stories)
        for run in ("buck", "wheretheressmoke"):
            rows = rate.isel(time=(rate.run.values == run) & (rate.tr.values >= 0))
            assert np.flatnonzero(rows.values[:, 0]).tolist() == [20]
            assert rows.seconds.values[20] == 50.0
        smooth = ek.WordRate(history=8).transform(stories[:1])
        assert int(smooth.tr.values[np.argmax(smooth.values[:, 0])]) == 20

    def test_words_fall_where_the_textgrid_says(self, study):
        words, phones = study.stimuli[0].words, study.stimuli[0].phones
        assert words["word"].tolist() == ["fox"]
        assert abs(words["onset"][0] - 51.0) < 1e-3
        assert phones["phone"].tolist() == ["F", "AA1", "K"]

    def test_the_facts_are_in_the_description(self, study):
        text = study.describe()
        for fact in ("TR 2 s", "10 s after the first TR", "row 0 begins at 10 s", "UTS02", "life"):
            assert fact in text


@pytest.mark.parametrize("audio", [True, False], ids=["with sound", "words alone"])
def test_a_study_of_two_people_passes_the_test_kit(lebel, audio):
    """UTS04 never heard life; both heard wheretheressmoke five times."""
    asked = {"root": lebel, "participants": ["UTS04", "UTS05"], "audio": audio}
    stories = ["life", "buck", "wheretheressmoke"]
    passed = check_study(lambda: ek.load_study("lebel2023", **asked, stories=stories))
    assert len(passed) == len(STUDY_CHECKS)


class TestAsking:
    def test_a_story_that_somebody_never_heard_is_lacking(self, lebel):
        study = ek.load_study("lebel2023", root=lebel, participants=["UTS04", "UTS05"],
                              stories=["life", "buck"])  # fmt: skip
        life = study.select(stimuli="life").responses()[0]
        assert np.isnan(life.sel(target=life.participant.values == "UTS04").values).all()
        assert np.isfinite(life.sel(target=life.participant.values == "UTS05").values).all()

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"participants": "UTS1"}, "unknown participant 'UTS1': did you mean 'UTS01'"),
            ({"stories": "bucks"}, "unknown story 'bucks': did you mean 'buck'"),
            ({"participants": "UTS04", "stories": "life"}, "UTS04 heard none of life"),
        ],
    )
    def test_unknown_names_are_answered(self, lebel, asked, message):
        with pytest.raises(ValueError, match=message):
            ek.load_study("lebel2023", root=lebel, **asked)


class TestStore:
    def test_what_is_stored_is_what_was_loaded(self, lebel, tmp_path):
        asked = {"root": lebel, "participants": ["UTS04", "UTS05"], "stories": ["life", "buck"]}
        direct = ek.load_study("lebel2023", **asked)
        stored = ek.load_study("lebel2023", **asked, store=tmp_path / "store")
        again = ek.load_study("lebel2023", **asked, store=tmp_path / "store")
        for mine, first, second in zip(
            *(s.responses() for s in (direct, stored, again)), strict=True
        ):
            assert mine.compute().identical(first.compute())
            assert mine.compute().identical(second.compute())
        assert again.describe() == direct.describe()

    def test_a_store_of_other_participants_is_refused(self, lebel, tmp_path):
        ek.load_study(
            "lebel2023", root=lebel, participants="UTS04", stories="buck", store=tmp_path / "store"
        )
        with pytest.raises(ValueError, match="holds UTS04, not UTS05: name another"):
            ek.load_study(
                "lebel2023",
                root=lebel,
                participants="UTS05",
                stories="buck",
                store=tmp_path / "store",
            )


def test_voxels_go_back_into_their_volume(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    mask = np.zeros((3, 4, 5), np.uint8)
    mask[1, 2, 3] = mask[0, 0, 4] = mask[2, 0, 0] = 1
    folder = tmp_path / "derivative/pycortex-db/UTS01/transforms/UTS01_auto"
    folder.mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), folder / "mask_thick.nii.gz")
    image = voxel_volume(np.array([1.0, 2.0, 3.0]), tmp_path, "UTS01")
    assert image.shape == (3, 4, 5)
    assert image.dataobj[2, 0, 0] == 1  # z 0
    assert image.dataobj[1, 2, 3] == 2  # z 3
    assert image.dataobj[0, 0, 4] == 3  # z 4
    with pytest.raises(ValueError, match="has 3 voxels but there are 4 values"):
        voxel_volume(np.zeros(4), tmp_path, "UTS01")
