import sys
from importlib.metadata import distributions
from textwrap import dedent

import pytest

from encodekit.plugins import Registry
from encodekit.plugins._discovery import discover

HEADER = """
from encodekit.plugins import BackboneSpec, CommandSpec, FeatureSpec, LossSpec, hookimpl
"""


class Site:
    """A folder of installed distributions, each with one plugin."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.modules = []
        self._monkeypatch = monkeypatch

    def install(
        self,
        distribution,
        source,
        *,
        name=None,
        version="1.2",
        api="encodekit_api = 1",
        points=None,
    ):
        module = distribution.replace("-", "_")
        self.modules.append(module)
        # What has the name already, as the real plugin may, would be taken for this one. It is
        # back after the test, the same object.
        self._monkeypatch.delitem(sys.modules, module, raising=False)
        (self.folder / f"{module}.py").write_text(HEADER + api + "\n" + dedent(source))
        info = self.folder / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.2\n")
        points = points or f"{name or distribution} = {module}"
        (info / "entry_points.txt").write_text(f"[encodekit]\n{points}\n")

    def entry_points(self):
        found = distributions(path=[str(self.folder)])
        return [point for dist in found for point in dist.entry_points]

    def discover(self, wanted=None, **keywords):
        return discover(self.entry_points(), wanted, **keywords)

    def registry(self, wanted=None):
        return Registry(self.discover(wanted))


@pytest.fixture
def site_in(monkeypatch):
    """Make a site in a folder that is on no path."""

    def make(folder):
        folder.mkdir()
        return Site(folder, monkeypatch)

    return make


@pytest.fixture
def site(tmp_path, monkeypatch):
    for variable in ("ENCODEKIT_PLUGINS", "ENCODEKIT_PREFER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ENCODEKIT_CONFIG", str(tmp_path / "settings"))
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made = Site(folder, monkeypatch)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


PITCH = """
@hookimpl
def encodekit_features():
    yield FeatureSpec("pitch", load="fractions:Fraction", summary="f0 by pYIN")
"""


@pytest.fixture
def pitch():
    return PITCH
