"""Refuse circles of imports between files; `make lint` runs this over the three distributions.

An import counts wherever it stands: at the top, within a function, under ``TYPE_CHECKING``, and in
the stub that says where the lazy names of a package come from. A package may re-export its own
modules; a circle it is when one of them imports from the package.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import grimp

PACKAGES = ("encodekit", "encodekit_brain_tuning", "encodekit_adapters")
# Circles that are known and wait for a rewrite; none is.
ALLOWED: tuple[frozenset[str], ...] = ()


def imports_of(packages: Iterable[str]) -> dict[str, set[str]]:
    """Return what each file of the packages imports from them."""
    names = list(packages)
    graph = grimp.build_graph(*names, exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    for package in names:
        for module, stub in _stubs(package):
            imports[module] |= _modules_named_in(stub) & graph.modules
    return imports


def _stubs(package: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    for stub in root.rglob("*.pyi"):
        parts = (package, *stub.relative_to(root).with_suffix("").parts)
        yield ".".join(parts).removesuffix(".__init__"), stub


def _modules_named_in(stub: Path) -> set[str]:
    tree = ast.walk(ast.parse(stub.read_text(encoding="utf-8")))
    return {node.module for node in tree if isinstance(node, ast.ImportFrom) and node.module}


def circles(imports: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """Return the sets of files each of which reaches every other of its set by imports."""
    reached = {module: _reached_from(module, imports) for module in imports}
    found = {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in imports
        if module in reached[module]
    }
    return sorted(found, key=sorted)


def _reached_from(module: str, imports: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    ahead = list(imports[module])
    while ahead:
        other = ahead.pop()
        if other not in seen:
            seen.add(other)
            ahead += imports[other]
    return seen


def verdict(found: Iterable[frozenset[str]], allowed: Iterable[frozenset[str]]) -> list[str]:
    """Return what is wrong: circles that are not allowed, and allowed ones that are gone."""
    there, may = set(found), set(allowed)
    new = [f"circle of imports: {', '.join(sorted(circle))}" for circle in there - may]
    gone = [
        f"no circle any more, take it off ALLOWED in {Path(__file__).name}: "
        f"{', '.join(sorted(circle))}"
        for circle in may - there
    ]
    return sorted(new) + sorted(gone)


if __name__ == "__main__":
    wrong = verdict(circles(imports_of(PACKAGES)), ALLOWED)
    kept = f" but {len(ALLOWED)} that are known" if ALLOWED else ""
    print("\n".join(wrong) or f"No circle of imports between files{kept}.")
    sys.exit(bool(wrong))
