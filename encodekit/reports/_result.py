"""One result: scores, ceilings, tests, and how they came to be."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.core import atomic_write, check_manifest, unknown_name, whole_folder
from encodekit.regions import by_region
from encodekit.reports._decisions import Decision
from encodekit.reports._region_masks import region_masks
from encodekit.scoring import normalise

SCHEMA = 1
_ENDINGS = (".nc", ".zarr")


@dataclass(frozen=True, eq=False)
class Result:
    """What came out of an experiment, with all that a reader needs to judge it.

    Made by `evaluate`. The regions that it reports were fixed before there were scores; every
    target's score is kept beside them.

    Parameters
    ----------
    name : str
    scores : DataArray (model, target)
        Correlations, before any ceiling.
    ceiling : Dataset over target, optional
        As `encodekit.noise_ceiling` returns it.
    tests : Dataset, optional
        As `encodekit.permutation_test` returns it; with a dimension ``model``.
    regions : DataArray (group, target) of bool
        Which targets lie in each named set of regions.
    tables : mapping of str to DataFrame
        Anything else to keep: ``layers``, ``learning_curve``, ``training``, ...
    decisions : sequence of Decision
    provenance : mapping
        Data hashes, splits, seeds, versions, what was run: plain values, saved as JSON.

    Raises
    ------
    ValueError
        If scores lack their dimensions, or the parts have other targets than the scores.
    """

    name: str
    scores: xr.DataArray
    ceiling: xr.Dataset | None = None
    tests: xr.Dataset | None = None
    regions: xr.DataArray | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decisions", tuple(self.decisions))
        if set(self.scores.dims) != {"model", "target"}:
            raise ValueError(f"a Result has scores (model, target), got {self.scores.dims}")
        names = self.scores.coords["target"].values
        for what, part in (("ceiling", self.ceiling), ("regions", self.regions)):
            if part is not None and not np.array_equal(part.coords["target"].values, names):
                raise ValueError(f"{what} has other targets than the scores: make both from one")

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return [str(name) for name in self.scores.coords["model"].values]

    @property
    def groups(self) -> list[str]:
        """Names of the sets of regions, fixed before there were scores."""
        return [] if self.regions is None else [str(n) for n in self.regions.coords["group"].values]

    def of(self, model: str | None = None) -> xr.DataArray:
        """Return the scores (target,) of one model (the first), over the ceiling if there is one.

        Raises
        ------
        ValueError
            If the model is unknown.
        """
        name = self.models[0] if model is None else model
        if name not in self.models:
            raise ValueError(f"result {self.name!r}: {unknown_name('model', name, self.models)}")
        one = self.scores.sel(model=name, drop=True)
        if self.ceiling is None:
            return one
        normalised: xr.DataArray = normalise(one, self.ceiling)
        return normalised

    def table(self, by: str | Iterable[str] = "participant") -> pd.DataFrame:
        """Return the mean score per model, set of regions and ``by``; all targets as "all".

        Columns as `encodekit.by_region`, with ``model`` and ``group``.
        """
        keys = [by] if isinstance(by, str) else list(by)
        masks = {"all": np.ones(self.scores.sizes["target"], dtype=bool)}
        if self.regions is not None:
            masks |= {name: self.regions.sel(group=name).values for name in self.groups}
        parts = [
            by_region(self.of(model).isel(target=np.flatnonzero(mask)), by=keys).assign(
                model=model, group=group
            )
            for model in self.models
            for group, mask in masks.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def adding(self, *decisions: Decision, **tables: pd.DataFrame) -> Self:
        """Return the result with more tables, and with decisions that were taken elsewhere."""
        return replace(
            self, tables={**self.tables, **tables}, decisions=(*self.decisions, *decisions)
        )

    def with_regions(self, name: str, regions: Any) -> Self:
        """Return the result with one more set of regions, which the audit marks as an afterthought.

        Parameters
        ----------
        name : str
        regions : RegionSelector, or names of the coordinate ``region``
        """
        masks = region_masks({name: regions}, self.scores)
        joined = masks if self.regions is None else xr.concat([self.regions, masks], "group")
        late = Decision("regions", name, "added later", "chosen", None, after_scores=True)
        return replace(self, regions=joined, decisions=(*self.decisions, late))

    def save(self, path: str | Path) -> Path:
        """Write the result to a netCDF file (``.nc``) or a zarr folder (``.zarr``), whole or not.

        Raises
        ------
        ValueError
            If the ending is another.
        """
        target = Path(path)
        if target.suffix not in _ENDINGS:
            raise ValueError(
                f"{target.name}: {unknown_name('ending of a result', target.suffix, _ENDINGS)}"
            )
        flat = _flat(self)
        if target.suffix == ".nc":
            return atomic_write(target, bytes(flat.to_netcdf(engine="scipy")))
        with whole_folder(target, "result", opened_by="ek.Result.load(path) reads it") as folder:
            flat.to_zarr(folder, mode="a", zarr_format=2, consolidated=True)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return a saved result; of a folder, every file is checked.

        Raises
        ------
        FileNotFoundError
            If there is nothing at ``path``.
        ValueError
            If a file is damaged or holds something else, or its schema is newer.
        """
        target = Path(path)
        if not target.exists():
            raise FileNotFoundError(f"there is no result {target}: check the path")
        if target.is_dir():
            check_manifest(target, "result")
            flat = xr.open_zarr(target, zarr_format=2, chunks=None).load()
        else:
            with xr.open_dataset(target, engine="scipy") as opened:
                flat = opened.load()
        loaded: Self = _from_flat(cls, flat, target)
        return loaded


def _flat(result: Result) -> xr.Dataset:
    """Return everything as one Dataset: each part under its name and a dot, the rest as JSON."""
    parts: dict[str, xr.Dataset] = {"scores": result.scores.to_dataset(name="r")}
    for name in ("ceiling", "tests"):
        part = getattr(result, name)
        if part is not None:
            parts[name] = part
    if result.regions is not None:
        parts["regions"] = result.regions.astype("int8").to_dataset(name="inside")
    for name, table in result.tables.items():
        parts[f"table-{name}"] = xr.Dataset(
            {str(column): ("row", _column(table[column])) for column in table.columns}
        )
    flat = xr.Dataset()
    attrs, names = {}, {}
    for part_name, part in parts.items():
        attrs[part_name] = _attrs(part)
        names[part_name] = {
            "order": [str(name) for name in part.variables],
            "coords": [str(name) for name in part.coords],
        }
        for key, variable in part.variables.items():
            dims = [f"{part_name}.{dim}" for dim in variable.dims]
            flat[f"{part_name}.{key}"] = (dims, _column(variable.values))
    head = {
        "schema": SCHEMA,
        "name": result.name,
        "parts": names,
        "attrs": attrs,
        "decisions": [asdict(decision) for decision in result.decisions],
        "provenance": result.provenance,
    }
    flat.attrs["encodekit_result"] = json.dumps(head, default=_plain)
    return flat


def _from_flat(kind: type[Any], flat: xr.Dataset, path: Path) -> Any:
    if "encodekit_result" not in flat.attrs:
        raise ValueError(f"{path} is not a saved result: expected what Result.save wrote")
    head = json.loads(flat.attrs["encodekit_result"])
    if head["schema"] > SCHEMA:
        raise ValueError(
            f"{path} has schema {head['schema']}, this encodekit knows {SCHEMA}: upgrade it"
        )
    parts = {name: _part(flat, name, head) for name in head["parts"]}
    return kind(
        name=head["name"],
        scores=parts["scores"]["r"].rename(head["attrs"]["scores"].get("metric")),
        ceiling=parts.get("ceiling"),
        tests=parts.get("tests"),
        regions=parts["regions"]["inside"].astype(bool).rename(None)
        if "regions" in parts
        else None,
        tables={
            name.removeprefix("table-"): pd.DataFrame(
                {column: part[column].values for column in head["parts"][name]["order"]}
            )
            for name, part in parts.items()
            if name.startswith("table-")
        },
        decisions=tuple(Decision(**decision) for decision in head["decisions"]),
        provenance=head["provenance"],
    )


def _part(flat: xr.Dataset, part: str, head: Mapping[str, Any]) -> xr.Dataset:
    made = xr.Dataset(attrs=head["attrs"][part])
    coords = head["parts"][part]["coords"]
    for name in [*coords, *head["parts"][part]["order"]]:
        variable = flat[f"{part}.{name}"].variable
        dims = [str(dim).removeprefix(f"{part}.") for dim in variable.dims]
        made[name] = (dims, _text(variable.values))
    made = made.set_coords(coords)
    if part == "scores":
        made["r"].attrs = made.attrs
    return made


def _attrs(part: xr.Dataset) -> dict[str, Any]:
    return dict(part["r"].attrs) if "r" in part and not part.attrs else dict(part.attrs)


def _column(values: Any) -> Any:
    """Return numbers as they are, truth as int8, and anything else as text."""
    array = np.asarray(values)
    if array.dtype.kind == "b":
        return array.astype("int8")
    if array.dtype.kind in "iuf":
        return array
    return np.array(["" if value is None else str(value) for value in array.ravel()]).reshape(
        array.shape
    )


def _text(values: Any) -> Any:
    array = np.asarray(values)
    return array.astype(str) if array.dtype.kind in "OST" else array


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | set | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
