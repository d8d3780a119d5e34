"""Fixtures for the tests of plugins; pytest finds them by itself where encodekit is installed."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from encodekit import Study
    from encodekit.data import RunList
    from encodekit.testing import PluginHarness


@pytest.fixture(scope="session")
def encodekit_study() -> "Study":
    """A small study: two participants, four stories, the last one repeated."""
    from encodekit.testing._small_studies import small_study

    return small_study()


@pytest.fixture
def encodekit_responses(encodekit_study: "Study") -> "RunList":
    """The responses of the small study, one DataArray (time, target) per run."""
    responses: RunList = encodekit_study.responses()
    return responses


@pytest.fixture
def encodekit_plugins() -> "PluginHarness":
    """A harness to add plugins to, empty but for what encodekit itself brings."""
    from encodekit.testing import PluginHarness

    return PluginHarness()
