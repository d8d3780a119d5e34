import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from encodekit.reports import (
    Highlight,
    Picture,
    Section,
    Table,
    environment,
    plot_models_by_participant,
    plot_surface,
    report,
)
from encodekit.reports._markup import prose

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """The elements of a page, which must be closed in the order of their opening."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def written(shared_scores, tmp_path_factory):
    scores = shared_scores
    tmp_path = tmp_path_factory.mktemp("report")
    values = np.full(20484, np.nan)
    values[:5000] = 0.3
    path = report(
        tmp_path / "new" / "report.html",
        title="Tuned & <b>tested</b>",
        subtitle="five people",
        summary="r = **0.2**",
        highlights=[Highlight("+0.03", "gain", "of five")],
        sections=[
            Section(
                "People",
                "Each point is *one* person.",
                figures=[
                    Picture(plot_models_by_participant(scores), "All people gain", "**Scores**"),
                    Picture(plot_models_by_participant(scores), 'The "same" again'),
                ],
                tables=[Table(scores.assign(score=np.nan), "Means")],
                columns=2,
            ),
            Section("Cortex", figures=[Picture(plot_surface(values), "Left temporal is red")]),
            Section("Nothing else"),
        ],
        provenance={
            "Seeds": {"study": 0, "stories": ["a", "b"]},
            "Choices": pd.DataFrame({"chosen": ["layer"], "stories": ["story-01"]}),
        },
    )
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_its_ids_are_unique(written):
    page = Page(written)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert written.startswith("<!DOCTYPE html>")


def test_references_within_figures_lead_to_something(written):
    ids = set(re.findall(r'\bid="([^"]+)"', written))
    used = set(re.findall(r"url\(#([^)]+)\)", written)) | set(
        re.findall(r'href="#([^"]+)"', written)
    )
    assert used <= ids
    assert any(name.startswith("f1-1-") for name in used)


def test_nothing_is_asked_of_the_network(written):
    assert not re.search(r"https?://", written)
    for tag, attributes in Page(written).elements:
        assert tag != "script"
        for name in ("src", "href", "xlink:href", "srcset"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:")), (tag, name, value[:80])
    assert "default-src 'none'" in written
    assert "@import" not in written
    assert "url(" not in re.sub(r"url\(#", "", written)


def test_every_figure_has_words_in_its_place(written):
    page = Page(written)
    pictures = [item for item in page.all("div") if item.get("role") == "img"]
    assert len(pictures) == len(page.all("svg")) == len(page.all("figure")) == 3
    assert [item["aria-label"] for item in pictures] == [
        "All people gain",
        'The "same" again',
        "Left temporal is red",
    ]
    assert all(item["aria-hidden"] == "true" for item in page.all("svg"))


def test_a_picture_without_alt_is_refused(scores):
    with pytest.raises(ValueError, match="needs alt"):
        Picture(plot_models_by_participant(scores), " ")


def test_plots_are_text_and_lines_and_maps_hold_a_picture(written):
    page = Page(written)
    assert "pretrained" in page.texts
    images = page.all("image")
    assert images
    assert all(item["href"].startswith("data:image/png;base64,") for item in images)


def test_ink_follows_the_theme_of_the_page(written):
    assert "#1f2429" not in written.split("</style>")[1]
    assert "var(--ink)" in written.split("</style>")[1]
    assert "prefers-color-scheme: dark" in written
    assert "@media print" in written


def test_headings_do_not_skip_levels_and_the_language_is_said(written):
    page = Page(written)
    levels = [tag for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels == ["h1", "h2", "h2", "h2", "h2"]
    assert page.all("html")[0]["lang"] == "en"


def test_what_users_write_is_shown_and_not_run(written):
    assert "<b>tested</b>" not in written
    assert "Tuned &amp; &lt;b&gt;tested&lt;/b&gt;" in written


def test_how_it_was_made_is_part_of_the_page(written):
    texts = Page(written).texts
    assert {"Seeds", "study", "a, b", "Choices", "story-01", "Versions", "numpy"} <= set(texts)
    assert np.__version__ in texts


def test_undefined_cells_are_a_dash_and_numbers_have_their_decimals():
    frame = pd.DataFrame(
        {"name": ["a", None], "r": [-0.12345, np.nan], "n": [12345, 2], "list": [["x", "y"], pd.NA]}
    )
    table = Table(frame, digits={"r": 2}, names={"r": "mean r"})
    assert table.rows() == [["a", "−0.12", "12,345", "x, y"], ["–", "–", "2", "–"]]
    assert table.headings == ["name", "mean r", "n", "list"]
    assert table.numeric == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("- a\n- b *c*", "<ul><li>a</li><li>b <em>c</em></li></ul>"),
        ("`**x** <y>`", "<p><code>**x** &lt;y&gt;</code></p>"),
        ("2 * 3 * 4 and a_b", "<p>2 * 3 * 4 and a_b</p>"),
        ("<script>1</script>", "<p>&lt;script&gt;1&lt;/script&gt;</p>"),
        ("", ""),
    ],
)
def test_prose_knows_a_little_markdown_and_escapes_the_rest(text, html):
    assert prose(text) == html


def test_versions_are_of_installed_packages_alone():
    found = environment(["numpy", "no-such-package"])
    assert found["numpy"] == np.__version__
    assert "no-such-package" not in found


def test_the_same_figure_is_written_the_same_way_twice(scores, tmp_path):
    def figures():
        path = report(
            tmp_path / "report.html",
            title="t",
            summary="s",
            sections=[Section("a", figures=[Picture(plot_models_by_participant(scores), "b")])],
        )
        return re.findall(r"<svg.*?</svg>", path.read_text(), re.DOTALL)

    assert figures() == figures()


def test_importing_the_room_imports_no_plotting_library():
    import subprocess
    import sys

    code = (
        "import sys, encodekit.reports\n"
        "heavy = {'matplotlib', 'nilearn', 'jinja2', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
