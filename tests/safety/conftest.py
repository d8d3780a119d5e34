import importlib.util
from pathlib import Path

import pytest


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


_DYING = module(Path(__file__).with_name("dying.py"))


@pytest.fixture(scope="session")
def dying():
    """Programs that die while they save, and what they save."""
    return _DYING


@pytest.fixture(params=_DYING.KINDS, ids=lambda kind: kind.name)
def kind(request):
    """One of what can be saved."""
    return request.param


@pytest.fixture
def study(dying):
    return dying.small_study()


@pytest.fixture
def saved_study(study, tmp_path):
    return study.save(tmp_path / "study")
