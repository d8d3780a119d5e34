"""The report: one HTML file that holds everything and asks the network for nothing."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from encodekit._errors import import_extra
from encodekit.reports._markup import prose
from encodekit.reports._parts import Highlight, Picture, Section
from encodekit.reports._provenance import Provenance, environment, provenance_tables
from encodekit.reports._svg import as_svg


def report(
    path: str | Path,
    *,
    title: str,
    summary: str,
    sections: Sequence[Section],
    subtitle: str = "",
    highlights: Sequence[Highlight] = (),
    provenance: Provenance | None = None,
) -> Path:
    """Write a result as one HTML file that can be mailed, printed and archived.

    Figures are inside the file (SVG, cortical maps as PNG within it), there are no scripts, and
    a content policy in the file forbids every request. It follows the reader's light or dark
    theme and prints in black on white.

    Parameters
    ----------
    path : str or Path
        Where to write; the folder is made if need be.
    title, subtitle : str
    summary : str
        What came out, in a few sentences. Here and in sections a little Markdown is known:
        paragraphs, ``- `` lists, ``**bold**``, ``*italic*``, ```code```.
    sections : sequence of Section
    highlights : sequence of Highlight
        A few numbers for the head of the page.
    provenance : mapping of heading to mapping or DataFrame, optional
        How the result was made: seeds, splits, which stories chose what, commands. The versions
        of the packages are added.

    Returns
    -------
    Path
        The file that was written.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> page = report(f"{folder}/r.html", title="Alice", summary="r = **0.2**",
    ...               sections=[Section("Scores", "All above zero.")])
    >>> page.name
    'r.html'
    """
    from encodekit.data import atomic_write

    tables = provenance_tables({**(provenance or {}), "Versions": environment()})
    parts = [_laid_out(section, number) for number, section in enumerate(sections, start=1)]
    html = _template().render(
        title=title,
        subtitle=subtitle,
        summary=prose(summary),
        highlights=highlights,
        sections=parts,
        provenance=tables,
        date=datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
        version=environment(["encodekit"]).get("encodekit", ""),
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(target, html.encode())
    return target


def _template() -> Any:
    jinja2: Any = import_extra("jinja2", extra="report", purpose="a report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("encodekit.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2")


def _laid_out(section: Section, number: int) -> dict[str, Any]:
    return {
        "id": f"section-{number}",
        "title": section.title,
        "text": prose(section.text) if section.text.strip() else "",
        "figures": [
            _figure(picture, f"f{number}-{k}") for k, picture in enumerate(section.figures, start=1)
        ],
        "tables": section.tables,
        "columns": section.columns,
    }


def _figure(picture: Picture, prefix: str) -> dict[str, str]:
    return {
        "id": prefix,
        "svg": as_svg(picture.drawn, prefix),
        "alt": picture.alt,
        "caption": prose(picture.caption) if picture.caption.strip() else "",
    }
