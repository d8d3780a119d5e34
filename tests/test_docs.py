"""The documentation says what the code says."""

import inspect
import re
import typing
from pathlib import Path

import pytest
import sklearn.utils.validation
import yaml

import encodekit
import encodekit.testing
from encodekit.plugins import KINDS, Spec, registry
from encodekit.plugins._hooks import Hooks

DOCS = Path(__file__).parents[1] / "docs"
HOOKS = (DOCS / "hooks.md").read_text(encoding="utf-8")
SECTIONS = dict(
    re.findall(r"^## (encodekit_\w+)\n(.*?)(?=^## |\Z)", HOOKS, re.MULTILINE | re.DOTALL)
)
EXAMPLES = {"features": "pitch", "losses": "robust", "panels": "robust", "studies": "lab_folder"}


def test_every_hook_has_a_section_and_no_other_has():
    assert set(SECTIONS) == {f"encodekit_{kind}" for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_section_has_the_signature_of_the_hook(kind):
    hook = getattr(Hooks, f"encodekit_{kind}")
    returned = typing.get_type_hints(hook)["return"]
    (record,) = typing.get_args(returned)
    assert list(inspect.signature(hook).parameters) == ["self"]
    written = f"@hookimpl\ndef {hook.__name__}() -> Iterable[{record.__name__}]: ..."
    assert f"```python\n{written}\n```" in SECTIONS[hook.__name__]
    assert issubclass(record, Spec)


@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_is_used_by_a_plugin_that_its_section_names(kind):
    section = SECTIONS[f"encodekit_{kind}"]
    named = {entry.spec.name for entry in registry().entries(kind)} & set(
        re.findall(r"`([\w-]+)`", section)
    )
    example = EXAMPLES.get(kind)
    if example:
        (source,) = (DOCS.parent / "examples/plugins" / example).glob("*/plugin.py")
        assert f"def encodekit_{kind}(" in source.read_text()
        assert f"examples/plugins/{example}" in section
    assert named or example


def test_the_api_page_has_every_public_name(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    from api_page import api_page

    written = set(re.findall(r"^\.\. \w+:: (\w+)$", api_page(), re.MULTILINE))
    assert set(encodekit.__all__) | set(encodekit.testing.__all__) <= written


def test_checks_that_the_pages_name_are_there():
    for page in ("hooks.md", "testing.md", "plugins.md"):
        for name in re.findall(r"\bcheck_\w+", (DOCS / page).read_text()):
            holder = sklearn.utils.validation if name == "check_is_fitted" else encodekit.testing
            assert hasattr(holder, name), (page, name)


def test_the_extractor_of_the_chapter_keeps_the_contract():
    text = (DOCS / "plugins.md").read_text()
    (source,) = re.findall(r"```python\n(# my_lab_pitch/features\.py\n.*?)```", text, re.DOTALL)
    names = {"__name__": "my_lab_pitch.features"}
    exec(compile(source, "plugins.md", "exec"), names)
    study = encodekit.testing.small_study(2, 2, seconds=8.0, missing=False)
    assert len(encodekit.testing.check_feature_extractor(names["MyLabPitch"](), study)) == 21
    (further,) = re.findall(r"```python\n(# my_lab_pitch/features\.py, fu.*?)```", text, re.DOTALL)
    exec(compile(further, "plugins.md", "exec"), names)
    assert len(encodekit.testing.check_feature_extractor(names["CentredPitch"](), study)) == 21


def test_the_tables_of_the_chapter_have_every_way_of_resampling():
    from encodekit.features._resampling import KINDS

    text = (DOCS / "plugins.md").read_text()
    assert tuple(re.findall(r'^\| `"(\w+)"`', text, re.MULTILINE)) == KINDS


def test_the_experiment_of_the_chapter_can_be_read(tmp_path):
    from encodekit.experiments import ExperimentError, read_experiment

    text = (DOCS / "experiments.md").read_text()
    source, _ = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "words.yaml").write_text(source)
    assert read_experiment(tmp_path / "words.yaml").content["seed"] == 1
    (tmp_path / "words.yaml").write_text(
        source.replace("n_mels", "n_mel").replace("ridge", "rigde")
    )
    with pytest.raises(ExperimentError) as caught:
        read_experiment(tmp_path / "words.yaml")
    shown = re.search(r"words\.yaml has 2 mistakes:\n(.*?)```", text, re.DOTALL).group(1)
    assert shown.strip() in str(caught.value)


def test_the_nested_settings_of_the_chapter_are_what_it_says():
    from encodekit.experiments._made import made

    text = (DOCS / "experiments.md").read_text()
    _, nested = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    tuned = made("features", yaml.safe_load(nested)["features"])
    assert (tuned.backbone, tuned.update.rank, tuned.windows) == ("tiny", 4, "streamed")
    assert (tuned.training.batch_size, tuned.training.weight_decay) == (8, 0.01)
    assert type(tuned.participants).__name__ == "Sequential"
