"""Logged onsets that differ: one grid within a tolerance, and a shift in time beyond it."""

import numpy as np
import pytest

import encodekit as ek

T_R = 2.0


@pytest.fixture
def scan(layouts, tmp_path):
    """Write one scan below ``scan.root``."""

    def write(name, **given):
        return layouts.write_scan(write.root, name, **given)

    write.root = tmp_path / "set"
    write.layouts = layouts
    return write


def load(root, **given):
    return ek.load_study("bids", root=root, task="story", space="fsaverage5",
                         **{"confounds": None, **given})  # fmt: skip


def of(study, run, person="sub-01"):
    return study.select(run, person).responses()[0].values


class TestTolerance:
    @pytest.mark.parametrize("later", [0.001, 0.013, -0.013, 0.05, 0.0999, -0.0999])
    def test_milliseconds_are_one_grid(self, scan, later):
        """40 TRs; the sound begins at 6 s: TRs from the third are sampled in it, at 1, 3, ... s."""
        first = scan("sub-01_task-story", seed=1, onset=6.0, duration=60.0)
        second = scan("sub-02_task-story", seed=2, onset=6.0 + later, duration=60.0)
        study = load(scan.root)
        (response,) = study.responses()
        np.testing.assert_array_equal(response.seconds, T_R * np.arange(30))
        np.testing.assert_array_equal(of(study, "a"), first[3:33])
        np.testing.assert_array_equal(of(study, "a", "sub-02"), second[3:33])
        told = f"sub-02, task-story {-1000 * later:+.1f} ms"
        assert told in study.describe()
        assert "onset_tolerance=0.05" in study.description

    def test_the_median_is_the_grid(self, scan):
        """Of onsets 6, 6.03 and 6.04 s it is 6.03 s: its first TR is sampled at 0.97 s."""
        for k, onset in enumerate((6.0, 6.04, 6.03), 1):
            scan(f"sub-0{k}_task-story", seed=k, onset=onset, duration=60.0)
        study = load(scan.root)
        np.testing.assert_allclose(study.stimuli[0].grid[0] + 1.0, 0.97)
        assert "sub-01, task-story +30.0 ms, sub-02, task-story -10.0 ms" in study.description

    def test_the_median_is_on_the_circle_of_a_tr(self, scan):
        """Onsets 6.99, 7.0 and 7.01 s: TRs are sampled at 7 s, just within or not yet in it."""
        for k, onset in enumerate((6.99, 7.0, 7.01), 1):
            scan(f"sub-0{k}_task-story", seed=k, onset=onset, duration=60.0)
        study = load(scan.root)
        grid = study.stimuli[0].grid + 1.0
        np.testing.assert_allclose(grid, T_R * np.arange(31), atol=1e-9)
        late = of(study, "a", "sub-03")
        assert np.isnan(late[0]).all()
        assert np.isfinite(late[1:-1]).all()

    def test_what_the_median_of_a_half_and_a_half_is(self, scan):
        """Two at 0 and three at 0.98 of a TR are 40 ms apart, not 1.96 s."""
        for k, onset in enumerate((6.0, 6.0, 7.96, 7.96, 7.96), 1):
            scan(f"sub-0{k}_task-story", seed=k, onset=onset, duration=60.0)
        study = load(scan.root)
        assert "sub-01, task-story -40.0 ms, sub-02, task-story -40.0 ms" in study.description

    def test_repeats_of_one_person_too(self, scan):
        values = [scan(f"sub-01_task-story_run-{k}", seed=k, onset=4.0 + 0.008 * k, duration=60.0)
                  for k in (1, 2, 3)]  # fmt: skip
        repeats = load(scan.root).repeats()
        np.testing.assert_array_equal(repeats.values, [item[2:32] for item in values])

    def test_where_the_sidecars_say_other_times_of_a_tr(self, scan):
        """StartTime 0.95 s of one and 1 s, half a TR, of the other: 50 ms apart."""
        for k in (1, 2):
            scan(f"sub-0{k}_task-story", seed=k)
        path = scan.root / "sub-02/func/sub-02_task-story_bold.json"
        path.write_text('{"StartTime": 0.95}')
        assert "sub-02, task-story -50.0 ms" in load(scan.root).description

    def test_equal_onsets_are_not_mentioned(self, scan):
        for k in (1, 2):
            scan(f"sub-0{k}_task-story", onset=6.0, duration=60.0)
        assert "ms" not in load(scan.root).description

    @pytest.mark.parametrize("later", [0.11, 0.6, 1.0, -0.3])
    def test_beyond_it_is_refused_with_the_numbers_and_what_to_do(self, scan, later):
        scan("sub-01_task-story", onset=6.0, duration=60.0)
        scan("sub-02_task-story", onset=6.0 + later, duration=60.0)
        number = f"{1000 * abs(later):.1f} ms .{abs(later) / 2:.2f} of a TR"
        with pytest.raises(ValueError, match=number) as told:
            load(scan.root)
        for name in ("onset_tolerance=", "resample=True", "entities=", "participants=",
                     "sub-02, task-story"):  # fmt: skip
            assert name in str(told.value)

    def test_a_wider_one_takes_rows_as_they_are(self, scan):
        scan("sub-01_task-story", seed=1, onset=6.0, duration=60.0)
        second = scan("sub-02_task-story", seed=2, onset=6.6, duration=60.0)
        study = load(scan.root, onset_tolerance=0.3)
        np.testing.assert_array_equal(of(study, "a", "sub-02"), second[3:33])
        assert "onset_tolerance=0.3" in study.description

    @pytest.mark.parametrize("tolerance", [-0.01, 0.51, 2.0, float("nan")])
    def test_no_other_share_of_a_tr_is_taken(self, scan, tolerance):
        scan("sub-01_task-story")
        with pytest.raises(ValueError, match="onset_tolerance is .*from 0 to 0.5"):
            load(scan.root, onset_tolerance=tolerance)

    def test_logged_durations_may_be_longer_than_the_sound(self, scan):
        """The sound lasts 60 s, its event 60.02 s: the TR at 60.01 s is not in the sound."""
        scan.layouts.write_wav(scan.root / "stimuli/a.wav", 6000, 100)
        scan("sub-01_task-story", onset=6.99, duration=60.02)
        scan("sub-02_task-story", onset=6.99, duration=60.0)
        assert load(scan.root).stimuli[0].n_trs == 30


def sines(seconds, frequencies):
    """Return sines (time, target) on a level of 1000, as BOLD has it."""
    phases = np.arange(len(frequencies))
    return 1000 + 10 * np.sin(2 * np.pi * np.outer(seconds, frequencies) + phases)


# up to 0.8 of the Nyquist frequency of 0.25 Hz; six targets
FREQUENCIES = [0.0, 0.01, 0.05, 0.1, 0.15, 0.2]


class TestResample:
    @pytest.mark.parametrize("later", [0.3, 0.6, 1.0, -0.7, 0.11])
    def test_a_shifted_sine_is_the_sine_on_the_grid(self, scan, later):
        """Each scan shows the same function of the sound's time, each at its own TRs."""
        n, onset = 120, 40.0
        volumes = T_R * (np.arange(n) + 0.5)  # s of the scan
        for k, begins in ((1, onset), (2, onset), (3, onset + later)):
            values = sines(volumes - begins, FREQUENCIES)
            scan(f"sub-0{k}_task-story", values=values, n_trs=n, onset=begins, duration=150.0)
        study = load(scan.root, resample=True)
        at = study.stimuli[0].grid + study.stimuli[0].offset
        shifted, unshifted = of(study, "a", "sub-03"), of(study, "a", "sub-01")
        rows = np.isfinite(shifted).all(axis=1)
        assert rows.sum() >= 74
        np.testing.assert_allclose(unshifted, sines(at, FREQUENCIES), atol=1e-3)
        np.testing.assert_allclose(shifted[rows], sines(at[rows], FREQUENCIES), atol=0.01)
        assert f"resampled in time onto one grid: sub-03, task-story {-1000 * later:+.1f} ms" in (
            study.description
        )

    @pytest.mark.parametrize("frequency", [0.02, 0.06, 0.1, 0.14, 0.18, 0.19, 0.2])
    def test_no_frequency_is_off_by_a_thousandth_away_from_the_ends(self, scan, frequency):
        """Away from the ends by twelve volumes, of an amplitude of 10 less than 0.01."""
        volumes = T_R * (np.arange(120) + 0.5)
        for k, begins in ((1, 40.0), (2, 40.9)):
            values = sines(volumes - begins, [frequency] * 6)
            scan(f"sub-0{k}_task-story", values=values, n_trs=120, onset=begins, duration=150.0)
        study = load(scan.root, resample=True)
        at = study.stimuli[0].grid + 1.0
        off = np.abs(of(study, "a", "sub-02") - sines(at, [frequency] * 6))
        assert np.nanmax(off) < 0.01

    def test_taken_as_they_are_the_sines_would_be_off(self, scan):
        """What the test above can see: 0.6 s of 0.2 Hz is an error of 7 in 10."""
        volumes = T_R * (np.arange(80) + 0.5)
        for k, begins in ((1, 40.0), (2, 40.6)):
            values = sines(volumes - begins, FREQUENCIES)
            scan(f"sub-0{k}_task-story", values=values, n_trs=80, onset=begins, duration=60.0)
        study = load(scan.root, onset_tolerance=0.5)
        at = study.stimuli[0].grid + 1.0
        off = np.abs(of(study, "a", "sub-02") - sines(at, FREQUENCIES)).max(axis=0)
        assert off[0] < 1e-3
        assert off[-1] > 6

    def test_the_ends_of_a_scan_are_less_exact_but_bounded(self, scan):
        """The sound begins with the scan: of slow sines the first rows err by less than 2 %."""
        volumes = T_R * (np.arange(80) + 0.5)
        for k, begins in ((1, 0.0), (2, 0.7)):
            values = sines(volumes - begins, [0.01] * 6)
            scan(f"sub-0{k}_task-story", values=values, n_trs=80, onset=begins, duration=150.0)
        study = load(scan.root, resample=True)
        at = study.stimuli[0].grid + 1.0
        found = of(study, "a", "sub-02")
        rows = np.isfinite(found).all(axis=1)
        np.testing.assert_allclose(found[rows], sines(at[rows], [0.01] * 6), atol=0.2)

    def test_with_no_tolerance_all_that_are_off_the_grid_are_resampled(self, scan):
        for k, onset in enumerate((6.0, 6.0, 6.013), 1):
            scan(f"sub-0{k}_task-story", seed=k, onset=onset, duration=60.0)
        study = load(scan.root, onset_tolerance=0.0, resample=True)
        assert "resampled in time onto one grid: sub-03, task-story -13.0 ms." in study.description

    def test_nothing_is_read_until_it_is_computed(self, scan):
        for k, onset in enumerate((6.0, 6.9), 1):
            scan(f"sub-0{k}_task-story", seed=k, onset=onset, duration=60.0)
        study = load(scan.root, resample=True, confounds=("motion",))
        assert all(run.chunks is not None for run in study.responses())
        for path in (scan.root / "derivatives/fmriprep/sub-02/func").glob("*.func.gii"):
            path.write_text("gone")
        with pytest.raises(ValueError, match="cannot be read as GIFTI"):
            study.responses()[0].compute()

    def test_repeats_are_resampled_each_by_its_own(self, scan):
        volumes = T_R * (np.arange(120) + 0.5)
        for k, begins in ((1, 40.0), (2, 40.5), (3, 39.6)):
            values = sines(volumes - begins, FREQUENCIES)
            scan(f"sub-01_task-story_run-{k}", values=values, n_trs=120, onset=begins,
                 duration=100.0)  # fmt: skip
        repeats = load(scan.root, resample=True).repeats()
        assert repeats.sizes["repeat"] == 3
        np.testing.assert_allclose(repeats.values - repeats.values[0], 0.0, atol=0.02)

    def test_confounds_are_shifted_with_the_scan(self, scan):
        """What the table explains of the scan it explains of the shifted scan: nothing is left."""
        import pandas as pd

        rng = np.random.default_rng(2)
        for k, begins in ((1, 40.0), (2, 40.8)):
            noise = rng.standard_normal(100)
            table = pd.DataFrame(
                {
                    "csf": noise,
                    "white_matter": rng.standard_normal(100),
                    "cosine00": np.cos(np.pi * (np.arange(100) + 0.5) / 100),
                }
            )
            values = np.tile(1000 + 5 * noise[:, None], 6)
            scan(f"sub-0{k}_task-story", values=values, n_trs=100, onset=begins, duration=100.0,
                 confounds=table)  # fmt: skip
        study = load(scan.root, resample=True, confounds=("wm_csf", "high_pass"))
        left = of(study, "a", "sub-02")
        assert np.nanstd(left) < 1e-3

    def test_a_censored_volume_censors_the_rows_beside_it_and_reaches_no_other(self, scan):
        """Volume 50 of 1e6 is censored: rows between 49, 50 and 51 are NaN, others are sines."""
        import pandas as pd

        volumes = T_R * (np.arange(100) + 0.5)
        for k, begins in ((1, 40.0), (2, 40.8)):
            values = sines(volumes - begins, [0.01] * 6)
            values[50] += 1e6 * (k == 2)
            jump = np.zeros(100)
            jump[50] = 9.0 * (k == 2)
            table = pd.DataFrame(
                {
                    "framewise_displacement": jump,
                    "std_dvars": np.zeros(100),
                    "cosine00": np.zeros(100),
                }
            )
            scan(f"sub-0{k}_task-story", values=values, n_trs=100, onset=begins, duration=110.0,
                 confounds=table)  # fmt: skip
        given = {"strategy": ["scrub", "high_pass"], "scrub": 0, "fd_threshold": 0.5}
        study = load(scan.root, resample=True, confounds=given)
        found = of(study, "a", "sub-02")
        at = study.stimuli[0].grid + 1.0
        censored = np.flatnonzero(np.isnan(found).all(axis=1) & (at > 10) & (at < 100))
        time_of_50 = volumes[50] - 40.8
        assert np.all(np.abs(at[censored] - time_of_50) < T_R)
        assert censored.size == 2
        rows = np.isfinite(found).all(axis=1)
        np.testing.assert_allclose(found[rows], sines(at[rows], [0.01] * 6), atol=0.5)
