"""A cache that lies anywhere: it works, or one warning says so and nothing else changes."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.features import cache_folder
from encodekit.simulation._simulate import study_folder

SMALL = {"n_participants": 1, "n_stories": 2, "minutes": 0.2, "n_test": 1, "vertices": 10}
# The place below a folder, and whether features can be kept there.
PLACES = {
    "folder": (lambda d: d / "new" / "deep", True),
    "link": (lambda d: linked(d / "link", d / "real", make=True), True),
    "link to a link": (lambda d: linked(d / "b", linked(d / "a", d / "real", make=True)), True),
    "letters of any kind": (lambda d: d / "sp ace \u00e9\u200b", True),
    "newline": (lambda d: d / "a\nb", True),
    "dots": (lambda d: d / "x" / ".." / "y", True),
    "file": (lambda d: written(d / "file"), False),
    "below a file": (lambda d: written(d / "file") / "x", False),
    "link to a file": (lambda d: linked(d / "link", written(d / "file")), False),
    "dangling link": (lambda d: linked(d / "link", d / "nowhere" / "there"), False),
    "loop": (lambda d: linked(d / "loop", d / "loop"), False),
    "loop of two": (lambda d: linked(d / "b", linked(d / "a", d / "b")), False),
    "too long a name": (lambda d: d / ("x" * 300), False),
    "too long a path": (lambda d: d / Path(*["x" * 200] * 25), False),
    "/dev/null": (lambda _: Path("/dev/null"), False),
    "below /proc": (lambda _: Path("/proc/self/fd/x"), False),
}


def linked(link, target, *, make=False):
    if make:
        target.mkdir()
    link.symlink_to(target)
    return link


def written(path):
    path.write_text("mine")
    return path


class Ramp(ek.FeatureExtractor):
    """One feature, the second, and how often it was computed."""

    computed = 0

    def frames(self, stimulus):
        type(self).computed += 1
        seconds = np.arange(0, 20.0) + 0.5
        values = seconds[:, None]
        return xr.DataArray(values, dims=("time", "feature"), coords={"seconds": ("time", seconds)})


@pytest.fixture(autouse=True)
def none_computed():
    Ramp.computed = 0


def stimuli(n=3):
    rng = np.random.default_rng(0)
    sound = rng.standard_normal((n, 2000)).astype("f4") * 0.1
    return [ek.Stimulus(f"s{k}", sound[k], 100, t_r=2.0) for k in range(n)]


def features(cache):
    """Return the features of three runs, made twice, and what was warned of, as a user sees it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        rows = [Ramp(cache=cache).transform(stimuli()) for _ in range(2)]
    xr.testing.assert_identical(*rows)
    return rows[0], [str(one.message) for one in caught]


class TestFeatures:
    @pytest.mark.parametrize("as_variable", [True, False], ids=["ENCODEKIT_CACHE", "cache="])
    @pytest.mark.parametrize("place", PLACES)
    def test_are_the_same_wherever_the_cache_is(self, place, as_variable, tmp_path, monkeypatch):
        make, works = PLACES[place]
        folder = make(tmp_path)
        there = sorted(tmp_path.rglob("*"))
        if as_variable:
            monkeypatch.setenv("ENCODEKIT_CACHE", str(folder))
        expected = Ramp(cache=None).transform(stimuli())
        Ramp.computed = 0
        rows, told = features("auto" if as_variable else folder)
        xr.testing.assert_identical(rows, expected)
        assert Ramp.computed == (3 if works else 6)
        if works:
            assert told == []
            return
        assert len(set(told)) == 1
        assert told[0].startswith("features are not cached, ")
        assert "cannot be written" in told[0]
        assert sorted(tmp_path.rglob("*")) == there
        assert not (tmp_path / "file").exists() or (tmp_path / "file").read_text() == "mine"

    def test_rows_of_a_folder_that_cannot_be_written_are_still_read(self, tmp_path, monkeypatch):
        features(tmp_path)
        Ramp.computed = 0

        def refuse(*_):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr("encodekit.features._cache.atomic_write", refuse)
        assert features(tmp_path)[1] == []
        assert Ramp.computed == 0

    def test_one_row_file_that_is_a_link_to_nothing_or_a_folder_is_made_anew(self, tmp_path):
        expected, _ = features(tmp_path)
        first, second, _ = sorted(tmp_path.glob("*.safetensors"))
        first.unlink()
        first.symlink_to(tmp_path / "nowhere")
        second.unlink()
        second.mkdir()
        rows, told = features(tmp_path)
        xr.testing.assert_identical(rows, expected)
        assert len(set(told)) == 1  # of the folder, which stays

    def test_a_path_with_nul_is_told(self, tmp_path):
        _, told = features(f"{tmp_path}/a\0b")
        assert len(set(told)) == 1


class TestNamesOfAShell:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path, monkeypatch):
        for name in ("home", "here"):
            (tmp_path / name).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
        monkeypatch.setenv("DEEP", "$HOME/deep")
        monkeypatch.chdir(tmp_path / "here")

    @pytest.mark.parametrize(
        ("given", "below"),
        [("~/x", "home/x"), ("~", "home"), ("$HOME/x", "home/x"), ("${HOME}/x/../y", "home/x/../y"),
         ("~/$HOSTNAME_/x", None), ("~nobody-of-that-name/x", None), ("$NOT_THERE/x", None),
         ("${NOT_THERE}", None), ("x/~", "here/x/~"), ("x$", "here/x$"), ("rel", "here/rel")],
    )  # fmt: skip
    @pytest.mark.parametrize("as_variable", [True, False])
    def test_stand_for_what_they_do_there(self, given, below, as_variable, tmp_path, monkeypatch):
        monkeypatch.delenv("ENCODEKIT_CACHE", raising=False)
        if as_variable:
            monkeypatch.setenv("ENCODEKIT_CACHE", given)
        rows, told = features("auto" if as_variable else given)
        assert rows.sizes["time"] == 30
        assert Ramp.computed == 3
        kept = tmp_path / (below or "home/.cache/encodekit")
        if as_variable or below is None:
            kept /= "features"
        assert len(list(kept.glob("*.safetensors"))) == 3
        assert bool(told) == (below is None)
        assert all("is not used: " in one for one in told)
        assert not [path for path in (tmp_path / "here").iterdir() if path.name[0] in "~$"]

    def test_nothing_and_the_empty_text_mean_the_users_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ENCODEKIT_CACHE", "")
        assert cache_folder("auto") == tmp_path / "home" / ".cache" / "encodekit" / "features"
        assert cache_folder(None) is None

    def test_every_kind_of_cache_asks_the_same_function(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ENCODEKIT_CACHE", "~/c")
        assert study_folder() == tmp_path / "home" / "c" / "studies"
        assert cache_folder("auto", "stems") == tmp_path / "home" / "c" / "stems"
        assert cache_folder(Path("~/d"), "stems") == tmp_path / "home" / "d"


@pytest.fixture(scope="module")
def digest():
    return seen(ek.simulate_study(**SMALL, cache=False))


class TestStudies:
    @pytest.mark.parametrize(
        "place", ["link", "file", "below a file", "dangling link", "loop", "too long a name",
                  "too long a path", "/dev/null", "below /proc"],
    )  # fmt: skip
    def test_are_the_same_wherever_the_cache_is(self, place, digest, tmp_path, monkeypatch):
        make, works = PLACES[place]
        monkeypatch.setenv("ENCODEKIT_CACHE", str(make(tmp_path)))
        for n in range(2):
            study, told = simulated()
            assert seen(study) == digest
            assert len(told) == (0 if works else 1), n
            assert works or "the simulated study cannot be cached in" in told[0]

    @pytest.mark.parametrize(
        "damage", ["no manifest", "empty manifest", "a byte", "nothing in it", "a file"]
    )
    @pytest.mark.parametrize("link", [True, False])
    def test_a_kept_one_that_is_damaged_is_made_anew_and_nothing_of_the_users_is_lost(
        self, damage, link, digest, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "cache"))
        simulated()
        (kept,) = study_folder().iterdir()
        if link:
            kept = linked(kept, kept.rename(tmp_path / "moved"))
        (kept / "my notes.txt").write_text("mine")
        if damage == "no manifest":
            (kept / "manifest.json").unlink()
        elif damage == "empty manifest":
            (kept / "manifest.json").write_bytes(b"")
        elif damage == "a byte":
            damaged(kept / "study.json")
        else:
            names = [path for path in kept.iterdir() if path.name != "my notes.txt"]
            for path in names if damage == "nothing in it" else names[:1]:
                remove(path)
        for _ in range(2):
            study, told = simulated()
            assert seen(study) == digest
            assert len(told) <= 1
        assert (kept / "my notes.txt").read_text() == "mine"
        assert kept.is_symlink() == link


def simulated():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = ek.simulate_study(**SMALL)
    return study, [str(one.message) for one in caught]


def seen(study):
    return [run.values.tobytes() for run in study.responses()], study.runs


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path):
    for child in sorted(path.rglob("*"), reverse=True) if path.is_dir() else ():
        child.rmdir() if child.is_dir() else child.unlink()
    path.rmdir() if path.is_dir() else path.unlink()
