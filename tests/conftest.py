"""For all tests: small products of matrices on several threads spend their time waiting.

With other programs on the same two cores, one second becomes a hundred.
"""

import importlib.util
import os
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

threadpool_limits(1)  # of what a plugin of pytest's has loaded already
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="session")
def load_module():
    """Return a function of a path: the module in that file, which is in no package."""

    def load(path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def reference(load_module):
    """Return a function of a name: that module of ``tests/reference``."""
    return lambda name: load_module(Path(__file__).parent / "reference" / f"{name}.py")
