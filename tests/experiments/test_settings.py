"""What a file says of settings: every refusal is a mistake with its line, before anything runs."""

import types

import pytest

from encodekit import HeadSpec, hookimpl
from encodekit.experiments import ExperimentError, experiment_schema, read_experiment
from encodekit.experiments._made import decisive, made

pytest.importorskip("encodekit_brain_tuning")


@pytest.fixture
def features(tmp_path):
    def read(*options, name="brain-tuned"):
        lines = ["study: {path: s}", "split: {tune: [a], fit: [b], test: [c]}",
                 "regressor: {name: ridge}", "models:", "  one:", "    features:",
                 f"      name: {name}", *(f"      {option}" for option in options)]  # fmt: skip
        (tmp_path / "file.yaml").write_text("\n".join(lines))
        content = read_experiment(tmp_path / "file.yaml").content
        return content["models"]["one"]["features"]

    return read


def test_what_a_file_says_wins_over_recipe_and_seed(features):
    given = features("recipe: moussa2025", "random_state: 3")
    assert made("features", given, random_state=7, history=8.0).random_state == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["recipe: moussa2025", "windows: {chunk: 10}"], r"line 9: .*windows\.chunk: .*'chunk'"),
        (["recipe: moussa2025", "participants: {reduction: participants}"], "line 9: .*reduction"),
        (["update: {name: lora, rank: 0}"], r"line 8: .*update\.rank: .*rank=0"),
        (["update:", "  name: lora", "  rank: 0"], "line 10: .*rank=0"),
        (["training: {epochs: 0}"], r"line 8: .*training\.epochs: .*epochs=0"),
    ],
)
def test_what_settings_refuse_is_a_mistake_with_its_line(features, options, message):
    with pytest.raises(ExperimentError, match=message):
        features(*options)


def test_names_and_null_are_as_in_python(features):
    assert features("update: all-weights")["update"] == "all_weights"
    assert features("objective: null", name="stimulus-tuned")["objective"] is None


def test_the_runtime_decides_no_values(features):
    plain, fast = features("layer: 2"), features("layer: 2", "runtime: {n_workers: 2}")
    assert decisive(fast) == decisive(plain) == plain


def test_a_broken_head_stops_only_files_that_name_it(features, encodekit_plugins):
    from encodekit_brain_tuning import plugin

    module = types.ModuleType("broken")
    vars(module).update({k: v for k, v in vars(plugin).items() if not k.startswith("__")})

    @hookimpl
    def encodekit_heads():
        yield from plugin.encodekit_heads()
        yield HeadSpec("broken", load="no_such_module:Broken", summary="broken")

    module.encodekit_heads = encodekit_heads
    with encodekit_plugins.add(module):
        assert features("head: {name: shared}")["head"] == {"name": "shared"}
        with pytest.raises(ExperimentError, match="no_such_module"):
            features("head: {name: broken, width: 2}")
        assert "brain-tuned" in str(experiment_schema())
