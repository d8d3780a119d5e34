import re

import pytest

from encodekit.core import MissingExtraError
from encodekit.plugins import (
    Entry,
    FeatureSpec,
    Plugin,
    PluginError,
    PluginWarning,
    load_entry,
)


def feature(name, load="fractions:Fraction", extra=None):
    return f"""
@hookimpl
def encodekit_features():
    yield FeatureSpec({name!r}, load={load!r}, summary="s", extra={extra!r})
"""


def test_a_name_loads_what_its_record_names(site, pitch):
    from fractions import Fraction

    site.install("my-lab", pitch)
    assert site.registry().load("features", "pitch") is Fraction


@pytest.mark.parametrize("name", ["my-pitch", "my_pitch", "MyPitch", "my pitch"])
def test_case_hyphens_and_underscores_do_not_matter(site, name):
    site.install("my-lab", feature("my-pitch"))
    assert site.registry().find("features", name).spec.name == "my-pitch"


def test_entries_come_in_order_of_name(site):
    site.install("a-lab", feature("zebra"))
    site.install("b-lab", feature("ant"))
    assert [entry.spec.name for entry in site.registry().entries("features")] == ["ant", "zebra"]


def test_an_unknown_name_is_answered_with_close_matches(site, pitch):
    site.install("my-lab", pitch)
    with pytest.raises(ValueError, match="unknown feature extractor 'picth': did you mean 'pitch'"):
        site.registry().load("features", "picth")


def test_an_unknown_kind_is_answered_with_close_matches(site):
    with pytest.raises(ValueError, match="unknown kind of plugin 'feature': did you mean"):
        site.registry().load("feature", "pitch")
    with pytest.raises(ValueError, match="unknown kind of plugin 'feature'"):
        site.registry().entries("feature")


@pytest.mark.parametrize("names", [("pitch", "pitch"), ("my-pitch", "My_Pitch")])
def test_a_clash_refuses_both_and_names_both_distributions(site, names):
    site.install("a-lab", feature(names[0]))
    site.install("b-lab", feature(names[1]))
    message = (
        f"the same feature extractor is registered as '{names[0]}' by plugin 'a-lab' (a-lab 1.2) "
        f"and '{names[1]}' by plugin 'b-lab' (b-lab 1.2): none of them is used"
    )
    with pytest.warns(PluginWarning, match=re.escape(message)):
        found = site.registry()
    assert found.entries("features") == []
    [clash] = found.clashes()
    assert clash.startswith(message)
    with pytest.raises(ValueError, match=re.escape(message)):
        found.load("features", names[0])


def test_one_name_may_stand_in_two_kinds(site):
    site.install("a-lab", feature("same"))
    site.install(
        "b-lab",
        '@hookimpl\ndef encodekit_losses():\n    yield LossSpec("same", load="a:b", summary="c")',
    )
    found = site.registry()
    assert found.find("features", "same").plugin.name == "a-lab"
    assert found.find("losses", "same").plugin.name == "b-lab"


@pytest.mark.parametrize(
    ("kind", "name"), [("regions", "glasser"), ("features", "brain_tuned"), ("backbones", "tiny")]
)
def test_a_name_of_a_plugin_that_is_not_installed_names_the_pip_line(site, kind, name):
    with pytest.raises(ValueError, match=f"{name}.*pip install encodekit-brain-tuning"):
        site.registry().load(kind, name)


def test_a_name_of_a_disabled_plugin_says_so(site, pitch):
    site.install("encodekit-brain-tuning", pitch)
    with pytest.raises(ValueError, match="is disabled: ENCODEKIT_PLUGINS leaves it out: add"):
        site.registry("").load("regions", "glasser")


def test_a_name_of_a_skipped_plugin_gives_the_cause(site):
    site.install("encodekit-brain-tuning", "1 / 0")
    with pytest.warns(PluginWarning, match="skipped"):
        found = site.registry()
    with pytest.raises(ValueError, match="which is skipped: ZeroDivisionError"):
        found.load("regions", "glasser")


def test_a_name_that_an_old_plugin_lacks_asks_for_a_newer_one(site, pitch):
    site.install("encodekit-brain-tuning", pitch)
    with pytest.raises(ValueError, match=r"whose version 1\.2 lacks it: upgrade it"):
        site.registry().load("regions", "glasser")


def test_a_missing_extra_names_the_pip_line(site):
    (site.folder / "my_features.py").write_text("import praat_is_not_there")
    site.install("my-lab", feature("pitch", load="my_features:Pitch", extra="praat"))
    with pytest.raises(MissingExtraError, match=r"'praat_is_not_there'.*'my-lab\[praat\]'"):
        site.registry().load("features", "pitch")


def test_a_missing_package_without_an_extra_names_the_package(site):
    (site.folder / "my_features_2.py").write_text("import praat_is_not_there.sub")
    site.install("my-lab", feature("pitch", load="my_features_2:Pitch"))
    with pytest.raises(MissingExtraError, match="pip install 'praat_is_not_there'"):
        site.registry().load("features", "pitch")


def test_a_record_whose_module_is_not_there_blames_the_plugin(site):
    site.install("my-lab", feature("pitch", load="my_lab_typo.pitch:Pitch", extra="praat"))
    with pytest.raises(PluginError, match=r"'my-lab' \(my-lab 1.2\).*no module 'my_lab_typo'"):
        site.registry().load("features", "pitch")


def test_a_record_whose_attribute_is_not_there_blames_the_plugin(site):
    site.install("my-lab", feature("pitch", load="fractions:Fractoin"))
    with pytest.raises(PluginError, match=r"'fractions:Fractoin', but .* did you mean 'Fraction'"):
        site.registry().load("features", "pitch")


def test_an_attribute_error_within_a_module_is_not_laid_on_the_record(site):
    (site.folder / "my_old_code.py").write_text("import math\nmath.sinus")
    site.install("my-lab", feature("pitch", load="my_old_code:Pitch"))
    with pytest.raises(AttributeError, match="module 'math' has no attribute 'sinus'"):
        site.registry().load("features", "pitch")


def test_a_name_whose_plugin_was_skipped_says_why(site):
    site.install("my-lab", "import praat_is_not_there")
    with pytest.warns(PluginWarning, match="is skipped"):
        found = site.registry()
    message = (
        r"unknown feature extractor 'pitch'.*'my-lab' \(my-lab 1.2\), which may .* is skipped: Mod"
    )
    with pytest.raises(ValueError, match=message):
        found.load("features", "pitch")


def test_a_record_of_encodekit_that_cannot_be_loaded_blames_no_author():
    spec = FeatureSpec("mel", load="encodekit.features_gone:Mel", summary="mel")
    plugin = Plugin("encodekit-builtins", "encodekit", "1.0", "encodekit.plugins.builtins")
    with pytest.raises(PluginError, match="encodekit is not installed whole, reinstall it"):
        load_entry(Entry(spec, plugin))


EARLY = """
import my_lab_code
@hookimpl
def encodekit_features():
    yield FeatureSpec("pitch", load="my_lab_code:Pitch", summary="f0")
"""


def test_what_discovery_imports_too_soon_is_known(site, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "my_lab_code", raising=False)
    (site.folder / "my_torch.py").write_text("")
    (site.folder / "my_lab_code.py").write_text("import my_torch")
    site.install("my-lab", EARLY)
    site.install("your-lab", feature("timbre", load="fractions:Fraction"))
    try:
        mine, yours = site.discover(heavy={"my_torch", "my_jax"})
    finally:
        for name in ("my_lab_code", "my_torch"):
            sys.modules.pop(name, None)
    assert mine.early == ("my_lab_code", "my_torch")
    assert yours.early == ()
