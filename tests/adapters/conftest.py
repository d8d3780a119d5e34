import json
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def layouts(load_module):
    """The generators of the data sets' layouts."""
    return load_module(Path(__file__).with_name("layouts.py"))


@pytest.fixture(scope="session")
def real_data():
    if not SHARED.is_dir():
        pytest.skip(f"the real data are not at {SHARED.parent.name}/{SHARED.name}")
    return SHARED


@pytest.fixture(scope="session")
def respdict(real_data):
    """TRs of each story's scan, as the data set itself states them."""
    return json.loads((real_data / "ds003020" / "respdict.json").read_text())


@pytest.fixture(scope="session")
def lebel(layouts, respdict, tmp_path_factory):
    """The true layout of one participant of each kind: all their stories, true TRs."""
    import csv

    with (SHARED / "ds003020" / "preprocessed_sizes.csv").open() as file:
        rows = list(csv.DictReader(file))
    heard = {}
    for row in rows:
        if row["subject"] in ("UTS01", "UTS04", "UTS05", "UTS09"):
            heard.setdefault(row["subject"], []).append(row["story"])
    root = tmp_path_factory.mktemp("ds003020")
    layouts.write_lebel(root, respdict, heard)
    return root
