"""The examples in the docstrings run, and every public class and function has its words."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import encodekit
import encodekit_adapters
import encodekit_brain_tuning

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules():
    for package in (encodekit, encodekit_adapters, encodekit_brain_tuning):
        yield package.__name__
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield found.name


def examples():
    """Return every docstring with an example, by its name."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return {
        test.name: test
        for name in modules()
        for test in finder.find(importlib.import_module(name))
        if test.examples
    }


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "cache"))
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    said = []
    with np.printoptions():
        runner.run(EXAMPLES[name], out=said.append, clear_globs=False)
    assert runner.failures == 0, "".join(said)


def test_examples_are_found():
    assert len(EXAMPLES) > 15


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in encodekit.__all__
        if inspect.isclass(getattr(encodekit, name))
        and not issubclass(getattr(encodekit, name), Warning)  # which takes a message
    ],
)
def test_every_public_class_describes_its_parameters(name):
    described = "".join(base.__doc__ or "" for base in getattr(encodekit, name).__mro__)
    public = [
        parameter
        for parameter in inspect.signature(getattr(encodekit, name)).parameters
        if not parameter.startswith("_") and parameter not in {"args", "kwargs"}
    ]
    missing = [parameter for parameter in public if parameter not in described]
    assert missing == []
