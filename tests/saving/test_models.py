import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
import xarray as xr
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import encodekit as ek
from encodekit.saving import load, save
from encodekit.saving._classes import find_class


class Toy(BaseEstimator):
    """Holds one of everything that a fitted estimator may hold."""

    def __init__(self, alphas=(1.0, 10.0), inner=None, cv=None):
        self.alphas = alphas
        self.inner = inner
        self.cv = cv

    def fit(self, X, y=None):
        coords = {"target": ["a", "b"], "participant": ("target", ["P1", "P2"])}
        self.coef_ = xr.DataArray(X, dims=("feature", "target"), coords=coords)
        self.table_ = pd.DataFrame({"r": [0.1, np.nan]}, index=["a", "b"])
        self.best_ = {"layer": 3, "scores": [0.1, None, float("nan")]}
        self.inner_ = StandardScaler().fit(X)
        self._cache = lambda: None
        return self


class WithFiles(BaseEstimator):
    """Writes files of its own."""

    def __init__(self, size=1):
        self.size = size

    def _save_state(self, folder: Path):
        (folder / "weights.bin").write_bytes(b"w" * self.size)
        return {"mean": self.mean_}

    def _load_state(self, folder: Path, state):
        self.weights_ = (folder / "weights.bin").read_bytes()
        self.mean_ = state["mean"]


X = np.arange(6, dtype=np.float32).reshape(3, 2)
OWN = [Toy, WithFiles]


@pytest.fixture
def fitted():
    return Toy(alphas=np.logspace(0, 2, 3), inner=StandardScaler(), cv=GroupKFold(3)).fit(X)


@pytest.fixture
def saved(fitted, tmp_path):
    return save(fitted, tmp_path / "toy", classes=OWN)


class TestRoundTrip:
    def test_parameters_and_fitted_attributes_come_back(self, fitted, saved):
        again = load(saved, classes=OWN)
        np.testing.assert_array_equal(again.alphas, fitted.alphas)
        xr.testing.assert_identical(again.coef_, fitted.coef_)
        pd.testing.assert_frame_equal(again.table_, fitted.table_)
        assert repr(again.best_) == repr(fitted.best_)
        assert again.cv.get_n_splits() == 3
        np.testing.assert_array_equal(again.inner_.transform(X), fitted.inner_.transform(X))

    def test_caches_stay_behind(self, saved):
        assert not hasattr(load(saved, classes=OWN), "_cache")

    def test_a_pipeline_predicts_the_same_after_loading(self, encodekit_study, tmp_path):
        model = make_pipeline(
            ek.WordRate(), ek.Delayer(seconds=[2, 4]), ek.RidgeCV(alphas=[1.0, 10.0])
        )
        model.fit(encodekit_study.stimuli, encodekit_study.responses())
        again = ek.load(ek.save(model, tmp_path / "m"))
        xr.testing.assert_identical(
            again.predict(encodekit_study.stimuli), model.predict(encodekit_study.stimuli)
        )
        xr.testing.assert_identical(again[-1].coef_, model[-1].coef_)
        assert repr(again) == repr(model)

    def test_frozen_and_nested_estimators_come_back(self, fitted, tmp_path):
        model = Pipeline([("a", FrozenEstimator(StandardScaler().fit(X))), ("b", fitted)])
        again = load(save(model, tmp_path / "m", classes=OWN), classes=OWN)
        assert [name for name, _ in again.steps] == ["a", "b"]
        np.testing.assert_array_equal(again[0].transform(X), model[0].transform(X))

    def test_an_estimator_may_keep_files_of_its_own(self, tmp_path):
        model = make_pipeline(WithFiles(3), WithFiles(5))
        for n, (_, step) in enumerate(model.steps):
            step.mean_ = np.array([float(n)])
        again = load(save(model, tmp_path / "m", classes=OWN), classes=OWN)
        assert [step.weights_ for _, step in again.steps] == [b"www", b"wwwww"]
        assert [step.mean_.tolist() for _, step in again.steps] == [[0.0], [1.0]]

    def test_texts_among_the_parameters_may_have_moved(self, tmp_path):
        model = make_pipeline(
            ek.SpeechFeatures("/old/speech"), Toy(inner=ek.TextFeatures(Path("/old/words")))
        )
        saved = save(model, tmp_path / "m", classes=OWN)
        again = load(saved, classes=OWN, moved={Path("/old/words"): "/new/words"})
        assert again[0].model == "/old/speech"
        assert again[1].inner.model == Path("/new/words")

    def test_what_has_moved_must_be_a_parameter(self, tmp_path):
        saved = save(ek.SpeechFeatures("/old/speech"), tmp_path / "m")
        with pytest.raises(ValueError, match=r"is '/old/spech'; there are \['/old/speech'\]"):
            load(saved, moved={"/old/spech": "/new/speech"})

    def test_an_atlas_in_a_parameter_comes_back(self, tmp_path):
        labels = {"left": np.array([0, 1, 1]), "right": np.array([1, 0, 0])}
        atlas = ek.Atlas("toy", labels, ["A1"], "native")
        again = load(save(ek.RegionSelector(atlas, ["A1"]), tmp_path / "m"))
        assert again.atlas.name == "toy"
        np.testing.assert_array_equal(again.atlas.labels["left"], labels["left"])

    def test_a_class_may_be_a_parameter(self, tmp_path):
        with pytest.raises(TypeError, match="Toy.inner is a builtins.type, which cannot be saved"):
            save(Toy(inner=StandardScaler), tmp_path / "m", classes=OWN)

    def test_routed_metadata_comes_back(self, tmp_path):
        with sklearn.config_context(enable_metadata_routing=True):
            model = StandardScaler().set_fit_request(sample_weight=True)
            again = load(save(model, tmp_path / "m"))
            asked = again.get_metadata_routing().fit.requests
        assert asked == {"sample_weight": True}

    def test_a_saved_model_is_replaced(self, saved):
        save(StandardScaler().fit(X), saved)
        assert isinstance(load(saved), StandardScaler)

    def test_the_card_says_how_to_load_it(self, saved):
        card = (saved / "README.md").read_text()
        assert "ek.load(" in card
        assert f"numpy {np.__version__}" in card


class TestRefusals:
    def test_an_unknown_class_is_refused_when_saving(self, tmp_path):
        model = make_pipeline(StandardScaler(), GaussianNB())
        with pytest.raises(TypeError, match=r"steps\[1\]\[1\] is a GaussianNB, which encodekit do"):
            save(model, tmp_path / "m")
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_estimator_is_refused(self, tmp_path):
        with pytest.raises(TypeError, match="save got {}, expected an estimator"):
            save({}, tmp_path / "m")
        with pytest.raises(TypeError, match="save got <class .*Toy'>, expected an estimator"):
            save(Toy, tmp_path / "m")

    def test_a_parameter_that_is_code_is_refused_by_its_place(self, tmp_path):
        with pytest.raises(TypeError, match="Toy.inner is a builtins.function, which cannot be"):
            save(Toy(inner=lambda x: x), tmp_path / "m", classes=OWN)

    def test_own_classes_are_asked_for(self, saved):
        with pytest.raises(ValueError, match=r"class 'Toy' of your own: pass load\(..., classes="):
            load(saved)

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ("sklearn:Pipelin", "names an unknown class 'Pipelin': did you mean 'Pipeline'"),
            ("os:system", "names an unknown class 'system'"),
            ("encodekit:correlation", "names an unknown class 'correlation'"),
            ("encodekit:__version__", "names an unknown class '__version__'"),
            ("features:pitsch", "unknown feature extractor 'pitsch'"),
        ],
    )
    def test_a_class_that_is_unknown_here_is_refused(self, key, message):
        with pytest.raises(ValueError, match=message):
            find_class(key)

    def test_an_unknown_kind_of_value_is_refused(self, saved, reseal):
        reseal(saved, lambda tree: tree["model"].update({"$": "code"}))
        with pytest.raises(ValueError, match="unknown kind of value 'code'"):
            load(saved, classes=OWN)

    def test_parameters_that_are_gone_name_the_class(self, saved, reseal):
        reseal(saved, lambda tree: tree["model"]["params"].update(gone=1))
        with pytest.raises(ValueError, match=r"saved Toy has parameters .*'gone'.* does not take"):
            load(saved, classes=OWN)

    @pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
    def test_a_flipped_bit_is_found(self, saved, name):
        content = bytearray((saved / name).read_bytes())
        content[-2] ^= 1
        (saved / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"is damaged.*{name} has sha256"):
            load(saved, classes=OWN)

    def test_a_file_is_no_folder(self, saved):
        with pytest.raises(NotADirectoryError, match=r"model\.json' is a file: name the folder"):
            load(saved / "model.json")

    def test_an_unfinished_folder_is_refused(self, saved):
        (saved / "manifest.json").unlink()
        with pytest.raises(FileNotFoundError, match="has no manifest.json"):
            load(saved, classes=OWN)

    def test_a_newer_schema_is_refused(self, saved):
        manifest = json.loads((saved / "manifest.json").read_text())
        (saved / "manifest.json").write_text(json.dumps(manifest | {"schema": 9}))
        with pytest.raises(ValueError, match="schema 9"):
            load(saved, classes=OWN)

    def test_a_study_is_no_model(self, encodekit_study, tmp_path):
        encodekit_study.save(tmp_path / "s")
        with pytest.raises(ValueError, match="holds a study, expected a model"):
            load(tmp_path / "s")

    @pytest.mark.parametrize("stage", ["write_packed", "_card"])
    def test_an_interrupted_save_leaves_the_old_model(self, fitted, saved, stage, monkeypatch):
        def interrupted(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(f"encodekit.saving._models.{stage}", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(StandardScaler().fit(X), saved)
        assert isinstance(load(saved, classes=OWN), Toy)
        assert [path.name for path in saved.parent.iterdir()] == ["toy"]


@pytest.fixture
def reseal():
    """Change model.json and seal the folder anew: what someone who means harm would do."""

    def change(folder, edit):
        from encodekit.core import write_manifest

        tree = json.loads((folder / "model.json").read_text())
        edit(tree)
        (folder / "model.json").write_text(json.dumps(tree))
        (folder / "manifest.json").unlink()
        write_manifest(folder, "model")

    return change


def test_a_search_is_answered_with_what_it_found(tmp_path):
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(ek.RidgeCV(), {"purge": [0]})
    search.best_estimator_ = ek.RidgeCV()
    with pytest.raises(TypeError, match="is a GridSearchCV: save what it found, its best_estim"):
        ek.save(search, tmp_path / "search")
