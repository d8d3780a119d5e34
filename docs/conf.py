"""How the documentation is built: make docs."""

import os
import sys
import tempfile
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from api_page import api_page

Path(__file__).with_name("api.rst").write_text(api_page(), encoding="utf-8")

# Nothing outside the build is read or kept: studies and features are made anew.
os.environ.setdefault("ENCODEKIT_CACHE", tempfile.mkdtemp(prefix="encodekit-docs-"))

project = "encodekit"
author = "The encodekit developers"
version = release = version_of("encodekit")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["**/README.md"]
default_role = None
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]  # the gallery's settings hold a function

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types and shapes
numpydoc_show_class_members = False

# The data of one example are no part of the project: it is shown where they are.
_REAL = "" if "ENCODEKIT_ALICE" in os.environ else "|plot_4_"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": rf"(__init__|/plugins/{_REAL})",
    "plot_gallery": True,
    "abort_on_example_error": True,
    "show_memory": False,
    "download_all_examples": False,
    "nested_sections": False,
    "copyfile_regex": r"$^",
}

html_theme = "furo"
html_title = "encodekit"
html_show_sourcelink = False
