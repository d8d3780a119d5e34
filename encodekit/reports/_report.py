"""The report: one HTML file that holds everything and asks the network for nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from encodekit.core import atomic_write, isolated, printable, shown, warn_caller
from encodekit.plugins import cause_of
from encodekit.reports._drawn import drawn, table_parts, template
from encodekit.reports._markup import prose
from encodekit.reports._panels import panels
from encodekit.reports._provenance import Provenance, environment, provenance_tables
from encodekit.reports._result import Result
from encodekit.reports._sections import Highlight, Section
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
    if result is None and not (title and sections):
        raise ValueError("a report needs a title and a section, or a result")
    parts = [drawn(section, number) for number, section in enumerate(sections, start=1)]
    stated = dict(provenance or {})
    if result is not None:
        title = title or str(result.name or "") or "A result without a name"
        parts += panels(result, len(parts) + 1)
        stated |= isolated(partial(_stated, result), partial(_not_stated, result))
    if not parts:
        raise ValueError("a report needs a title and a section, or a result")
    tables = provenance_tables({**stated, "Versions": environment()})
    turning = any(part.turns for part in parts)
    page = template("report.html.j2").render(
        title=title,
        subtitle=subtitle,
        summary=prose(summary) if summary.strip() else "",
        mesh=mesh_json() if turning else "",
        script=script() if turning else "",
        script_hash=script_hash() if turning else "",
        highlights=highlights,
        sections=parts,
        provenance=[table_parts(table) for table in tables],
        date=datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
        version=environment(["encodekit"]).get("encodekit", ""),
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # names may hold what HTML and UTF-8 cannot
    atomic_write(target, printable(page, keep="\t\n\r").encode())
    return target


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


def _not_stated(result: Result, error: BaseException) -> dict[str, Any]:
    message = f"the provenance of the result {shown(result.name)} cannot be shown: "
    warn_caller(message + cause_of(error), UserWarning)
    return {"Settings": {"not shown": message + cause_of(error)}}
