"""The report: one HTML file that holds everything and asks the network for nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from encodekit.core import atomic_write, import_extra
from encodekit.reports._markup import prose
from encodekit.reports._panels import panels
from encodekit.reports._provenance import Provenance, environment, provenance_tables
from encodekit.reports._result import Result
from encodekit.reports._sections import Highlight, Picture, Section
from encodekit.reports._svg import as_svg
from encodekit.reports._viewer import mesh_json, script, script_hash


def report(
    path: str | Path,
    result: Result | None = None,
    *,
    title: str = "",
    summary: str = "",
    sections: Sequence[Section] = (),
    subtitle: str = "",
    highlights: Sequence[Highlight] = (),
    provenance: Provenance | None = None,
) -> Path:
    """Write a result as one HTML file that can be mailed, printed and archived.

    Figures are inside the file (SVG, cortical maps as PNG within it); a content policy in the
    file forbids every request, and every script but the one that turns the cortex. It follows the
    reader's light or dark theme and prints in black on white.

    Parameters
    ----------
    path : str or Path
        Where to write; the folder is made if need be.
    result : Result, optional
        Its panels, encodekit's own and those of plugins (`encodekit.PanelSpec`), follow
        ``sections``, and its provenance the given one.
    title, subtitle : str
        The result's name if there is no title.
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
    shown, stated = list(sections), dict(provenance or {})
    if result is not None:
        title = title or result.name
        shown += panels(result)
        stated |= _stated(result)
    if not title or not shown:
        raise ValueError("a report needs a title and a section, or a result")
    tables = provenance_tables({**stated, "Versions": environment()})
    parts = [_laid_out(section, number) for number, section in enumerate(shown, start=1)]
    turning = any(section.viewers for section in shown)
    html = _template().render(
        title=title,
        subtitle=subtitle,
        summary=prose(summary) if summary.strip() else "",
        mesh=mesh_json() if turning else "",
        script=script() if turning else "",
        script_hash=script_hash() if turning else "",
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
        "viewers": [
            viewer.parts(f"v{number}-{k}") for k, viewer in enumerate(section.viewers, start=1)
        ],
        "tables": section.tables,
        "columns": section.columns,
    }


def _stated(result: Result) -> dict[str, Any]:
    """Return the provenance of a result as tables: studies, models, numbers."""
    stated: dict[str, Any] = {}
    for name, value in result.provenance.items():
        if name == "versions":
            continue
        if name == "models":
            steps = {key: " → ".join(step["class"] for step in of) for key, of in value.items()}
            stated["Models"] = steps
        elif isinstance(value, Mapping):
            stated[str(name).capitalize()] = value
        else:
            stated.setdefault("Settings", {})[name] = value
    return stated


def _figure(picture: Picture, prefix: str) -> dict[str, str]:
    return {
        "id": prefix,
        "svg": as_svg(picture.drawn, prefix),
        "alt": picture.alt,
        "caption": prose(picture.caption) if picture.caption.strip() else "",
    }
