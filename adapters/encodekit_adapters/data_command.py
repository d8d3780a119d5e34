"""``encodekit data``: get a data set, check a study's folder, convert a study to zarr."""

from pathlib import Path
from typing import Annotated

import typer

from encodekit.core import progress, unknown_name

ACTIONS = ("get", "check", "convert")
_SETS = ("lebel2023",)


def data(
    action: Annotated[str, typer.Argument(help="get, check or convert.")],
    name: Annotated[
        str, typer.Argument(help="A data set (lebel2023), or of check the folder of a study.")
    ],
    participants: Annotated[
        list[str] | None, typer.Option(help="Whose data; again for more, or with commas.")
    ] = None,
    stories: Annotated[
        list[str] | None, typer.Option(help="Which stories; again for more, or with commas.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="The folder of the data set; its name here if not given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Of convert: the folder of the zarr store.")
    ] = None,
    space: Annotated[
        str, typer.Option(help="native voxels, or fsaverage5, fsaverage6 or fsaverage7.")
    ] = "native",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show sizes, fetch nothing.")] = False,
    source: Annotated[str | None, typer.Option(help="Another server with the same files.")] = None,
) -> None:
    """Get a data set, check a study's folder, or convert a data set to zarr.

    get prints what is to be fetched and how large it is before it starts; it goes on where it was
    interrupted, and checks what came. check reads every file of a folder with a study.json, and
    shows every problem; or what the study is, what was done and what is odd in it.
    convert saves a study to zarr, one run at a time, on the surface with --space; it goes on where
    it was interrupted.
    """
    if action == "check":
        _check(name)
        return
    if action not in ACTIONS:
        raise ValueError(unknown_name("action", action, ACTIONS))
    if name not in _SETS:
        raise ValueError(unknown_name("data set", name, _SETS))
    folder = Path(name) if root is None else root
    people, asked = _split(participants), _split(stories)
    if action == "get":
        _get(folder, people, asked, space, source=source, dry_run=dry_run)
    else:
        _convert(folder, people, asked, space, output)


def _split(names: list[str] | None) -> list[str] | None:
    return [part for name in names for part in name.split(",") if part] if names else None


def _check(folder: str) -> None:
    """Print what a folder's study is, with all that is odd; or raise with every problem."""
    from encodekit_adapters.folder import survey_folder

    path = Path(folder)
    is_file = path.suffix == ".json" and path.is_file()
    found = survey_folder(path.parent, path) if is_file else survey_folder(path)
    if found.study is None:
        listed = "".join(f"\n  - {problem}" for problem in found.problems)
        count = f"{len(found.problems)} problem{'s' if len(found.problems) > 1 else ''}"
        raise ValueError(f"study folder {folder!r} has {count}:{listed}")
    typer.echo(f"{folder}: a whole study")
    typer.echo(found.study.describe())


def _get(
    root: Path,
    people: list[str] | None,
    stories: list[str] | None,
    space: str,
    *,
    source: str | None,
    dry_run: bool,
) -> None:
    from encodekit_adapters._download import OPENNEURO, check_room, fetch, plan
    from encodekit_adapters.lebel2023 import remote_files

    server = source or f"{OPENNEURO}/ds003020"
    files = plan(remote_files(people, stories, space), root, server)
    total = sum(file.size or 0 for file in files)
    for file in files:
        typer.echo(f"{(file.size or 0) / 1e6:10.1f} MB  {file.path}")
    typer.echo(f"{total / 1e9:.3f} GB in {len(files)} files -> {root}")
    if dry_run or not files:
        return
    check_room(files, root)
    with progress("downloading", float(total)) as tick:
        for file in files:
            fetch(file, root, server, tick)
    typer.echo(f"{len(files)} files are there, their checksums right")


def _convert(
    root: Path,
    people: list[str] | None,
    stories: list[str] | None,
    space: str,
    output: Path | None,
) -> None:
    import encodekit as ek

    if output is None:
        raise ValueError("--output is lacking: name the folder of the zarr store")
    study = ek.load_study(
        "lebel2023", root=root, participants=people, stories=stories, space=space, store=output
    )
    typer.echo(f"{output}: {study!r}")
