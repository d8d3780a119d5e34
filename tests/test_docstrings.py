"""The examples in the docstrings run, and every public class and function has its words."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from numpydoc.docscrape import NumpyDocString

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
    loaded = [importlib.import_module(name) for name in modules()]
    for module in loaded:
        for name in getattr(module, "__all__", ()):
            getattr(module, name)  # or the finder meets names that come while it counts them
    return {test.name: test for module in loaded for test in finder.find(module) if test.examples}


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


def described_parameters(kind):
    """Return the names in the section "Parameters" of a class's own docstring."""
    entries = NumpyDocString(inspect.cleandoc(kind.__doc__))["Parameters"]
    return [name.strip() for entry in entries for name in entry.name.split(",")]


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
    kind = getattr(encodekit, name)
    public = [
        parameter
        for parameter in inspect.signature(kind).parameters
        if not parameter.startswith("_") and parameter not in {"args", "kwargs"}
    ]
    described = [described_parameters(base) for base in kind.__mro__ if base.__doc__]
    missing = [one for one in public if not any(one in names for names in described)]
    assert missing == []
    if public:  # a base without any says what its subclasses take
        assert set(described_parameters(kind)) <= set(public)


def test_a_word_of_the_text_describes_no_parameter():
    class Ridge:
        """Ridge with cv and alphas.

        Parameters
        ----------
        scoring, purge : str
            What chooses among the alphas.
        targets

        Attributes
        ----------
        coef_ : array
        """

    assert described_parameters(Ridge) == ["scoring", "purge", "targets"]
