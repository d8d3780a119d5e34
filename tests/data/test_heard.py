"""What was heard decides, not the run: counterbalanced orders, and a story heard in two runs."""

import warnings
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import Stimulus, Study, by_stimulus, concat_runs, hearings, make_response
from encodekit.data._heard import places_heard, stories_of
from encodekit.data._timing import timing
from encodekit.linear._cross_val import _purged
from encodekit.scoring._blocks import make_blocks
from encodekit.scoring._nulls import scramblings

T_R, N_TRS = 2.0, 40


def story(name, run, start=0.0, n_trs=N_TRS, t_r=T_R):
    sound = np.random.default_rng(ord(name)).normal(size=500 * 160).astype(np.float32)
    return Stimulus(name, sound, 160, t_r=t_r, tr_times=start + t_r * np.arange(n_trs), run=run)


def heard(stimulus, person, values=None, n_targets=3, **more):
    seed = [ord(stimulus.name), ord(person[-1]), *map(ord, stimulus.run_name)]
    if values is None:
        values = np.random.default_rng(seed).normal(size=(stimulus.n_trs, n_targets))
    return make_response(
        values, run=stimulus.run_name, stimulus=stimulus.name, participant=person,
        tr_times=stimulus.grid, t_r=stimulus.t_r, hemisphere="left",
        vertex=np.arange(values.shape[-1]), space="fsaverage5", **more,
    )  # fmt: skip


def signal(name, n_targets=3):
    return np.random.default_rng(ord(name)).normal(size=(N_TRS, n_targets))


@pytest.fixture
def orders():
    """Three people, three stories in three orders, with a shared response."""
    stimuli, responses = {}, {}
    for person, order in (("P1", "abc"), ("P2", "cab"), ("P3", "bca")):
        responses[person] = {}
        for k, name in enumerate(order, 1):
            stimulus = story(name, f"{name}_run-{k}")
            stimuli.setdefault(stimulus.run_name, stimulus)
            noise = np.random.default_rng([ord(name), ord(person[1])]).normal(size=(N_TRS, 3))
            responses[person][stimulus.run_name] = heard(stimulus, person, signal(name) + noise)
    return Study("orders", list(stimuli.values()), responses)


@pytest.fixture
def one_order(orders):
    """The same data, with runs named by the story."""
    stimuli = [story(name, name) for name in "abc"]
    responses = {
        person: {
            run.stimulus.values[0]: heard(story(run.stimulus.values[0], None), person, run.values)
            for run in orders.responses(person)
            if np.isfinite(run.values).all()
        }
        for person in orders.participants
    }
    return Study("one order", stimuli, responses)


class TestOrders:
    def test_a_study_by_stimulus_has_a_run_for_each_story(self, orders, one_order):
        merged = orders.by_stimulus()
        assert len(orders.runs) == 9
        assert sorted(merged.runs) == ["a", "b", "c"]
        expected = {run.run.values[0]: run for run in one_order.responses()}
        for run in merged.responses():
            np.testing.assert_array_equal(run.values, expected[run.run.values[0]].values)
            np.testing.assert_array_equal(run.seconds.values, expected[run.run.values[0]].seconds)

    @pytest.mark.parametrize(
        "options", [{"method": "people"}, {"method": "groups", "scored": ["P3"]}]
    )
    def test_ceilings_over_people_are_those_of_one_order(self, orders, one_order, options):
        found = ek.noise_ceiling(orders.responses(), **options)
        expected = ek.noise_ceiling(one_order.responses(), **options)
        for name in ("ceiling", "signal_share", "n_people"):
            np.testing.assert_allclose(found[name].values, expected[name].values, rtol=1e-6)
        assert found.ceiling.values.mean() > 0.3

    def test_the_mean_of_others_is_that_of_one_order(self, orders, one_order):
        expected = {run.run.values[0]: run for run in ek.group_mean(one_order.responses())}
        for run, own in zip(ek.group_mean(orders.responses()), orders.responses(), strict=True):
            there = np.isfinite(own.values)
            whole = expected[run.stimulus.values[0]].values
            np.testing.assert_allclose(run.values[there], whole[there], rtol=1e-6)
            # Each row counts once: a target has it in the run in which it answered.
            assert np.isnan(run.values[~there]).all()

    def test_nothing_repeats_where_everybody_hears_each_story_once(self, orders):
        with pytest.raises(ValueError, match="heard more than once"):
            orders.repeats()

    def test_chance_and_blocks_are_those_of_what_was_heard(self, orders):
        rows = concat_runs(orders.responses())
        story_of, place = places_heard(rows)
        assert {tuple(pair) for pair in np.c_[story_of, place]} == {
            (number, tr) for number in range(3) for tr in range(N_TRS)
        }
        assert make_blocks(rows).size == 12  # four for each of three stories
        draws = scramblings("product", rows, 0).draw(5)
        for run in orders.runs:
            np.testing.assert_array_equal(
                draws[run], draws[next(r for r in draws if r[0] == run[0])]
            )

    def test_people_of_two_studies_share_the_story(self, orders):
        other = Study(
            "lab 2",
            [story("a", "lab2-a")],
            {"P9": [heard(story("a", "lab2-a"), "P9", signal("a"))]},
        )
        joint = orders.join(other)
        assert sorted(joint.by_stimulus().runs) == ["a", "b", "c"]
        assert (ek.noise_ceiling(joint.responses(), method="people").n_people == 4).all()


class TestRepeats:
    def test_a_story_heard_in_two_runs_has_two_repeats(self):
        first, second, other = story("a", "run-1"), story("a", "run-3"), story("b", "run-2")
        runs = [heard(s, "P1") for s in (first, other, second)]
        study = Study("s", [first, other, second], {"P1": runs})
        repeats = study.repeats()
        np.testing.assert_array_equal(repeats.values, np.stack([runs[0].values, runs[2].values]))
        assert repeats.stimulus.values.tolist() == ["a"] * N_TRS
        assert (repeats.n_repeats == 2).all()

    def test_repeats_within_and_across_runs_add_up(self):
        first, second = story("a", "run-1"), story("a", "run-2")
        twice = heard(first, "P1", np.random.default_rng(0).normal(size=(2, N_TRS, 3)))
        once = heard(second, "P1")
        repeats = Study("s", [first, second], {"P1": [twice, once]}).repeats()
        assert (repeats.n_repeats == 3).all()
        np.testing.assert_array_equal(
            repeats.values, np.concatenate([twice.values, once.values[None]])
        )

    def test_a_run_that_begins_later_and_one_cut_short_lie_at_their_place(self):
        early, late = story("a", "run-1", n_trs=30), story("a", "run-2", start=6.0)
        runs = [heard(early, "P1"), heard(late, "P1")]
        repeats = Study("s", [early, late], {"P1": runs}).repeats()
        assert repeats.seconds.values.tolist() == (T_R * np.arange(43)).tolist()
        np.testing.assert_array_equal(repeats.values[0, :30], runs[0].values)
        np.testing.assert_array_equal(repeats.values[1, 3:], runs[1].values)
        assert np.isnan(repeats.values[0, 30:]).all()
        assert np.isnan(repeats.values[1, :3]).all()

    def test_milliseconds_are_one_grid_and_a_fifth_of_a_tr_is_another(self):
        stimuli = [story("a", "run-1"), story("a", "run-2", start=0.013)]
        near = Study("s", stimuli, {"P1": [heard(s, "P1") for s in stimuli]})
        assert near.repeats().sizes["repeat"] == 2
        stimuli = [story("a", "run-1"), story("a", "run-2", start=0.4)]
        far = Study("s", stimuli, {"P1": [heard(s, "P1") for s in stimuli]})
        with (
            pytest.warns(
                UserWarning, match=r"'a' was heard on 2 grids .*run-1.* at 1 s.*run-2.* at 1\.4 s"
            ),
            pytest.raises(ValueError, match="heard more than once"),
        ):
            far.repeats()

    def test_other_trs_stay_apart(self):
        stimuli = [story("a", "run-1"), story("a", "run-2", t_r=1.5)]
        study = Study(
            "s", stimuli, {"P1": [heard(stimuli[0], "P1")], "P2": [heard(stimuli[1], "P2")]}
        )
        with pytest.warns(UserWarning, match="2 grids"):
            assert study.by_stimulus().runs == ["run-1", "run-2"]

    def test_sounds_of_one_name_and_other_lengths_are_told(self):
        """One that was cut short is taken for the same; the longer one has all TRs."""
        whole = story("a", "run-2")
        short = Stimulus("a", whole.audio[: 50 * 160], 160, t_r=T_R, run="run-1")
        runs = [heard(s, "P1") for s in (short, whole)]
        study = Study("s", [short, whole], {"P1": runs})
        with pytest.warns(
            UserWarning, match="'a' lasts 50 s in run-1, 500 s in run-2: it is taken"
        ):
            repeats = study.repeats()
        np.testing.assert_array_equal(repeats.values[0, :25], runs[0].values)
        np.testing.assert_array_equal(repeats.values[1], runs[1].values)

    def test_a_tr_as_an_image_keeps_it_is_the_same(self):
        rows = []
        for t_r in (1.49, float(np.float32(1.49))):
            run = heard(story("a", f"run-{len(rows)}", t_r=t_r), "P1")
            seconds = ("time", t_r * np.arange(N_TRS))
            rows.append(run.assign_attrs(t_r=t_r, sample_offset=t_r / 2).assign_coords(
                seconds=seconds))  # fmt: skip
        assert len(by_stimulus(rows, "this")) == 1

    def test_confounds_are_of_runs_and_come_out_before(self):
        stimuli = [story("a", "run-1"), story("a", "run-2")]
        runs = [heard(s, "P1") for s in stimuli]
        motion = {
            s.run_name: np.random.default_rng(k).normal(size=(N_TRS, 2))
            for k, s in enumerate(stimuli)
        }
        study = Study("s", stimuli, {"P1": runs}, confounds={"P1": motion})
        with pytest.raises(
            ValueError, match=r"study\.clean\(ek\.ConfoundRemover\(\)\)\.by_stimulus"
        ):
            study.by_stimulus()
        clean = study.clean(ek.ConfoundRemover(n_cosines=0))
        expected = np.stack([run.values for run in clean.responses()])
        np.testing.assert_allclose(clean.by_stimulus().repeats().values, expected)


class TestByStimulus:
    def test_several_hearings_are_z_scored_each_in_its_run(self):
        stimuli = [story("a", "run-1"), story("a", "run-2")]
        values = [signal("a") * 10 + 1000, signal("b") * 0.1 + 5]  # other gains, other means
        values[1][:, 2] = 7.0  # a dead channel
        (merged,) = by_stimulus([heard(s, "P1", v) for s, v in zip(stimuli, values, strict=True)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            scaled = [(v - v.mean(0)) / v.std(0) for v in values]
        np.testing.assert_allclose(merged.values[:, :2], np.mean(scaled, axis=0)[:, :2], rtol=1e-6)
        np.testing.assert_allclose(merged.values[:, 2], scaled[0][:, 2], rtol=1e-6)

    def test_one_hearing_keeps_its_scale(self, orders):
        for run in by_stimulus(orders.responses()):
            own = [r for r in orders.responses() if r.stimulus.values[0] == run.stimulus.values[0]]
            np.testing.assert_array_equal(run.values, np.nansum([r.values for r in own], axis=0))

    def test_runs_may_hold_the_targets_of_those_who_were_there(self, orders):
        """As arrays that are made by hand: each run has one person's targets."""
        alone = [
            run.isel(target=np.flatnonzero(np.isfinite(run.values).all(axis=0)))
            for run in orders.responses()
        ]
        expected = {run.run.values[0]: run for run in by_stimulus(orders.responses())}
        for run in by_stimulus(alone):
            whole = expected[run.run.values[0]].sel(target=run.target.values)
            np.testing.assert_array_equal(run.values, whole.values)
            np.testing.assert_array_equal(run.participant.values, whole.participant.values)
            assert run.vertex.dtype.kind == "i"

    def test_dask_stays_lazy_and_equal(self, orders):
        lazy = [run.chunk({"time": -1, "target": 2}) for run in orders.responses()]
        for run, expected in zip(by_stimulus(lazy), by_stimulus(orders.responses()), strict=True):
            assert run.chunks is not None
            np.testing.assert_allclose(run.compute().values, expected.values)

    def test_stimuli_go_with_their_responses(self):
        stimuli = [
            story("a", "run-1", n_trs=30),
            story("b", "run-2"),
            story("a", "run-3", start=4.0),
        ]
        whole, runs = hearings(stimuli, [heard(s, "P1") for s in stimuli])
        assert [s.run_name for s in whole] == ["a", "b"]
        assert [run.run.values[0] for run in runs] == ["a", "b"]
        assert whole[0].n_trs == 42
        for stimulus, run in zip(whole, runs, strict=True):
            np.testing.assert_allclose(stimulus.grid[run.tr.values], run.seconds.values)
        assert whole[0].heard_hash == stimuli[0].heard_hash

    def test_rows_that_say_no_seconds_go_by_tr(self, orders):
        plain = [run.drop_vars("seconds") for run in orders.responses()]
        assert [s.first for s in stories_of(concat_runs(plain))] == [
            s.first for s in stories_of(concat_runs(orders.responses()))
        ]


class TestFolds:
    def test_a_fold_that_trains_on_the_story_it_holds_out_is_refused(self):
        stimuli = [story(name, f"run-{k}") for k, name in enumerate("abac", 1)]
        y = [heard(s, "P1") for s in stimuli]
        model = ek.MelSpectrogram(), ek.RidgeCV([1.0])
        with pytest.raises(ValueError, match=r"'a' and trains on it: .* run-1, run-3"):
            ek.cross_val_predict(make_pipeline(*model), stimuli, y, cv=KFold(4))
        found = ek.cross_val_predict(make_pipeline(*model), stimuli, y)
        assert found.sizes["time"] == 4 * N_TRS

    def test_a_fold_that_trains_on_the_sound_it_holds_out_is_refused(self):
        """Under another name, and segments of two scans that overlap in the sound."""
        model = make_pipeline(ek.MelSpectrogram(), ek.RidgeCV([1.0]))
        same = Stimulus("z", story("a", "x").audio, 160, t_r=T_R, run="run-2",
                        tr_times=T_R * np.arange(N_TRS))  # fmt: skip
        stimuli = [story("a", "run-1"), same, story("b", "run-3"), story("c", "run-4")]
        y = [heard(s, "P1") for s in stimuli]
        with pytest.raises(ValueError, match="trains on what it holds out: .*have the same audio"):
            ek.cross_val_predict(model, stimuli, y)
        found = ek.cross_val_predict(model, stimuli, y, groups=["a", "a", "b", "c"])
        assert found.sizes["time"] == 4 * N_TRS
        runs = [story("a", "run-1", n_trs=60), story("a", "run-2", start=40.0)]
        cut = Study("s", runs, {"P1": [heard(s, "P1") for s in runs]})
        cut = cut.segment("run-1", 2, gap="8s").segment("run-2", 2, gap="8s")
        with pytest.raises(ValueError, match="less than 8 s apart in the same audio"):
            ek.cross_val_predict(model, cut.stimuli, cut.responses())

    def test_a_purge_reaches_the_same_seconds_in_another_run(self):
        """Segments of a story that was heard twice: part 2 of either run is near part 1 of both."""
        runs = [story("a", "run-1"), story("a", "run-2")]
        study = Study("s", runs, {"P1": [heard(s, "P1") for s in runs]})
        cut = study.segment("run-1", 2, gap=0).segment("run-2", 2, gap=0)
        y = cut.responses()
        assert [run.stimulus.values[0] for run in y] == ["a/part-1", "a/part-2"] * 2
        left = _purged(y[3], [y[0]], 8.0)
        assert np.isnan(left.values).all(axis=1).sum() == 4
        assert not np.isnan(_purged(y[3], [replace_run(y[0], "z/part-1")], 8.0).values).any()


def replace_run(run, name):
    return run.assign_coords(stimulus=("time", np.full(run.sizes["time"], name)))


def at_once(stimuli, values):
    """Return rows (time, target) of all runs, one target that is ``values(seconds)``."""
    return concat_runs(
        [heard(s, "P1", values(s.grid + s.offset)[:, None], n_targets=1) for s in stimuli]
    )


class TestOtherGrids:
    """A story that people heard at other times of a TR, or at other TRs, is one story."""

    GRIDS: ClassVar = {
        "half a TR later": (1.0, T_R, 200),
        "a quarter of a TR and late": (80.5, T_R, 159),
        "another TR": (0.0, 1.5, 266),
        "another TR and late": (81.0, 1.5, 212),
        "seconds that are no multiple": (7.3, 1.49, 263),
    }

    @pytest.fixture(params=GRIDS)
    def rows(self, request):
        start, t_r, n_trs = self.GRIDS[request.param]
        stimuli = [story("a", "run-1", n_trs=200), story("a", "run-2", start, n_trs, t_r)]
        return at_once(stimuli, np.sin)

    def test_blocks_are_those_of_the_sound(self, rows):
        blocks = make_blocks(rows)
        assert 9 <= blocks.size <= 14  # of 400 s: about 20 of the shorter TRs each
        sampled = rows.seconds.values + timing(rows) / 2
        edges = [sampled[blocks.of_row == block] for block in range(blocks.size)]
        for before, after in pairwise(edges):
            assert before.max() < after.min()

    @pytest.mark.parametrize("null", ["phase", "sign", "block", "product"])
    def test_chance_is_shared(self, rows, null):
        """Both runs have one slow signal in either side, so that scramblings agree."""
        chance = scramblings(null, rows, 0)
        draws = chance.draw(400)
        found = {}
        for run in ("run-1", "run-2"):
            at = rows.seconds.values[rows.run.values == run]
            sides = [slow(at, seed) for seed in (1, 2)]
            found[run] = chance.statistics(run, *sides, draws)[1:, 0]
        assert np.corrcoef(found["run-1"], found["run-2"])[0, 1] > 0.5

    def test_what_is_observed_is_r(self, rows):
        chance = scramblings("sign", rows, 0)
        for run in ("run-1", "run-2"):
            at = rows.seconds.values[rows.run.values == run]
            sides = [slow(at, seed) for seed in (1, 2)]
            found = chance.statistics(run, *sides, chance.draw(3))[0, 0]
            np.testing.assert_allclose(found, np.sum(sides[0] * sides[1]), atol=1e-5)

    def test_chance_of_a_part_is_as_wide_as_that_of_the_part_alone(self):
        late = story("a", "run-2", start=50 * T_R, n_trs=50)
        rows = at_once([story("a", "run-1", n_trs=100), late], np.sin)
        noise = np.random.default_rng(0).normal(size=(2, 50, 200))
        sides = [(x - x.mean(0)) / np.linalg.norm(x - x.mean(0), axis=0) for x in noise]
        for null in ("phase", "sign", "block", "product"):
            together = scramblings(null, rows, 0)
            alone = scramblings(null, rows.isel(time=slice(100, None)), 0)
            wide, usual = (
                c.statistics("run-2", *sides, c.draw(200))[1:].std() for c in (together, alone)
            )
            assert abs(wide / usual - 1) < 0.05

    def test_intervals_do_not_take_grids_for_other_stories(self):
        """Eight people, each scanned at other times of a TR: their stimulus is one."""
        widths = []
        for apart in (0.0, 0.25):
            stimuli = [
                story(name, f"{name}-{k}", start=20 + apart * k, n_trs=36)
                for name in "abcd" for k in range(8)
            ]  # fmt: skip
            y = [of_everybody(s, int(s.run_name[-1]), 0, 8) for s in stimuli]
            first, second = ([of_everybody(s, None, seed, 8) for s in stimuli] for seed in (5, 9))
            found = ek.compare_models(y, first, second, by="region", n_permutations=10)
            widths.append(float(found.high_over_stimulus[0] - found.low_over_stimulus[0]))
        assert 0.7 < widths[1] / widths[0] < 1.4


def slow(seconds, seed, unit=True):
    """Return a slow signal (time, 1) of the sound, of mean 0 and norm 1."""
    rng = np.random.default_rng(seed)
    phases, periods = rng.uniform(0, 2 * np.pi, 12), rng.uniform(12, 60, 12)
    x = np.sin(2 * np.pi * seconds[:, None] / periods + phases).sum(axis=1)
    x = x - x.mean()
    return (x / np.linalg.norm(x) if unit else x)[:, None].astype(np.float32)


def of_everybody(stimulus, person, seed, n_people):
    """Return a run in which one person (None: all) has a signal that all share."""
    values = np.full((stimulus.n_trs, n_people), np.nan)
    mine = slice(None) if person is None else [person]
    values[:, mine] = slow(stimulus.grid, seed + ord(stimulus.name), unit=False)
    if person is not None:
        noise = np.random.default_rng([ord(stimulus.name), person])
        values[:, person] += 2 * noise.normal(size=stimulus.n_trs)
    people = [f"P{k}" for k in range(n_people)]
    run = heard(stimulus, "P0", values)
    return run.drop_vars(["vertex", "hemisphere"]).assign_coords(
        target=[f"{p}/A" for p in people], participant=("target", people),
        region=("target", ["A"] * n_people),
    )  # fmt: skip
