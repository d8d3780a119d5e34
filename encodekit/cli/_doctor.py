"""``encodekit doctor``: what this machine has, and what is wrong with it."""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any

import typer

from encodekit.cli._plugins import AsJSON, describe, examined
from encodekit.cli._terminal import say, say_parts
from encodekit.plugins import Registry

_OURS = ("encodekit", "encodekit-brain-tuning", "encodekit-adapters")


def doctor(json: AsJSON = False) -> None:
    """Show versions, devices, the cache and the plugins, and what is wrong with them.

    The exit code is 1 if something is wrong; an extra that is not installed is not wrong.
    """
    findings = examine()
    if json:
        say(_to_json(findings))
    else:
        _show(findings)
    raise typer.Exit(1 if findings["problems"] else 0)


def examine() -> dict[str, Any]:
    """Return everything the doctor looks at, ready for JSON."""
    packages, cache, found = list(_packages()), _cache(), examined()
    return {
        "system": {"python": platform.python_version(), "platform": platform.platform()},
        "packages": {name: found for name, found, _ in packages},
        "devices": _devices(),
        "cache": cache,
        "plugins": [describe(plugin) for plugin in found.plugins],
        "problems": [
            *(problem for _, _, problem in packages if problem),
            *_cache_problems(cache),
            *_plugin_problems(found),
        ],
    }


def _to_json(findings: dict[str, Any]) -> str:
    return json.dumps(findings, indent=2)


def _packages() -> Iterator[tuple[str, str, str | None]]:
    """Yield (name, version or how to get it, problem) of ours and of all that they ask for."""
    seen = set(_OURS)
    for ours in _OURS:
        found = _version(ours)
        yield ours, found or f"not installed: pip install {ours}", None
        for requirement, extra in _requirements(ours) if found else ():
            if requirement.name not in seen:
                seen.add(requirement.name)
                yield _compare(ours, requirement, extra)


def _requirements(distribution: str) -> Iterator[tuple[Any, str | None]]:
    from packaging.requirements import Requirement

    fields = metadata(distribution)
    for text in fields.get_all("Requires-Dist") or ():
        requirement = Requirement(text)
        for extra in ("", *(fields.get_all("Provides-Extra") or ())):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                yield requirement, extra or None
                break


def _compare(ours: str, requirement: Any, extra: str | None) -> tuple[str, str, str | None]:
    name, found = requirement.name, _version(requirement.name)
    line = f"pip install '{ours}[{extra}]'" if extra else f"pip install '{requirement}'"
    if found is None:
        problem = None if extra else f"{ours} needs {requirement}, which is not installed: {line}"
        return name, f"not installed: {line}", problem
    if not requirement.specifier.contains(found, prereleases=True):
        return name, found, f"{ours} needs {requirement}, and {found} is installed: {line}"
    return name, found, None


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _devices() -> dict[str, Any]:
    found: dict[str, Any] = {"cpu": f"{os.cpu_count()} cores"}
    if _version("torch") is None:
        return found | {"torch": "not installed: pip install 'encodekit[speech]'"}
    import torch

    found["torch"] = f"{torch.__version__}, {torch.get_num_threads()} threads"
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        found[f"cuda:{number}"] = f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        found["mps"] = "available"
    return found


def _cache() -> dict[str, Any]:
    from encodekit.features._cache import cache_folder

    features = cache_folder("auto")
    folder = features.parent if features else Path()
    files = [path for path in folder.rglob("*") if path.is_file()]
    above = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "folder": str(folder),
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "free_bytes": shutil.disk_usage(above).free,
        "writable": os.access(above, os.W_OK) and above.is_dir(),
    }


def _cache_problems(cache: dict[str, Any]) -> Iterator[str]:
    if not cache["writable"]:
        yield f"the cache {cache['folder']} cannot be written: set ENCODEKIT_CACHE"


def _plugin_problems(found: Registry) -> Iterator[str]:
    for plugin in found.plugins:
        if plugin.status == "skipped":
            yield f"plugin {plugin.title} is skipped: {plugin.cause}"
    yield from found.clashes()


def _show(findings: dict[str, Any]) -> None:
    for title in ("system", "packages", "devices"):
        _show_pairs(title, findings[title])
    cache = findings["cache"]
    size = f"{cache['bytes'] / 1e6:.1f} MB in {cache['files']} files"
    free = f"{cache['free_bytes'] / 1e9:.0f} GB free"
    _show_pairs("cache", {"folder": cache["folder"], "size": f"{size}, {free}"})
    _show_pairs("plugins", {p["name"]: p["status"] for p in findings["plugins"]})
    for problem in findings["problems"]:
        say_parts(("problem:", "red"), (f" {problem}", ""))
    if not findings["problems"]:
        say("nothing is wrong", style="green")


def _show_pairs(title: str, pairs: dict[str, Any]) -> None:
    say(title, style="bold")
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        say(f"  {name:<{width}}  {value}")
    say("")
