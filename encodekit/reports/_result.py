"""One result: scores, ceilings, tests, and how they came to be."""

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.core import (
    SealedFolder,
    atomic_write,
    read_sealed,
    unknown_name,
    whole_folder,
)
from encodekit.regions import by_region
from encodekit.reports._decisions import Decision
from encodekit.reports._flat import Flat, array_of, as_json, dataset_of, from_json, table_of
from encodekit.reports._region_masks import region_masks
from encodekit.scoring import normalise

SCHEMA = 2
_ENDINGS = (".nc", ".zarr")
_SEAL, _UNSEALED = "encodekit_sha256", "0" * 64
# As netCDF writes this attribute: no text of a user holds these bytes, since JSON has no zeros.
_SEALED = re.compile(rb"\0\0\0\x10encodekit_sha256\0\0\0\x02\0\0\0\x40([0-9a-f]{64})")


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
        if self.ceiling is not None and self.scores.attrs.get("normalised"):
            raise ValueError(
                "a Result has scores before the ceiling beside it, but these are divided by one "
                "already: pass those of ek.correlation, or no ceiling"
            )
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
            flat.attrs[_SEAL] = _UNSEALED
            return atomic_write(target, _sealed(bytes(flat.to_netcdf(engine="scipy"))))
        with whole_folder(target, "result", opened_by="ek.Result.load(path) reads it") as folder:
            _write_zarr(flat, folder)
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
            flat = read_sealed(target, "result", _read_zarr)
        else:
            flat = _read_netcdf(target)
        try:
            loaded: Self = _from_flat(cls, flat, target)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{target} is not a saved result ({error!r})") from error
        return loaded


def _sealed(content: bytes) -> bytes:
    """Return a netCDF file with its own sha256, taken while zeros stand in the digest's place."""
    return _with_digest(content, hashlib.sha256(content).hexdigest())


def _with_digest(content: bytes, digest: str) -> bytes:
    found = _SEALED.search(content)
    assert found is not None
    return content[: found.start(1)] + digest.encode() + content[found.end(1) :]


def _read_netcdf(path: Path) -> xr.Dataset:
    """Return what a file holds, once its bytes are those that were saved."""
    content = path.read_bytes()
    found = _SEALED.search(content)
    if found is None:
        raise ValueError(f"{path} is not a saved result, or it is damaged: copy or save it again")
    stated = hashlib.sha256(_with_digest(content, _UNSEALED)).hexdigest()
    if stated.encode() != found[1]:
        raise ValueError(
            f"{path} is damaged, or was changed since it was saved: copy or save it again"
        )
    with xr.open_dataset(io.BytesIO(content), engine="scipy") as opened:
        flat: xr.Dataset = opened.load()
    return flat


def _read_zarr(folder: SealedFolder) -> xr.Dataset:
    from encodekit.data._sealed_zarr import SealedStore

    folder.verify()
    store = SealedStore(folder)
    flat: xr.Dataset = xr.open_zarr(store, zarr_format=2, consolidated=False, chunks=None).load()
    return flat


def _write_zarr(flat: xr.Dataset, folder: Path) -> None:
    """Write a store by way of memory: zarr would warn of what else lies in a folder of ours."""
    import zarr

    written: dict[str, Any] = {}
    store = zarr.storage.MemoryStore(written)
    flat.to_zarr(store, mode="w", zarr_format=2, consolidated=True)
    for key, content in written.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content.to_bytes())


def _flat(result: Result) -> xr.Dataset:
    """Return everything as one Dataset: the arrays of each part, the rest as JSON."""
    flat = Flat()
    head = {
        "schema": SCHEMA,
        "name": result.name,
        "scores": flat.add_array("scores", result.scores),
        "ceiling": None if result.ceiling is None else flat.add_dataset("ceiling", result.ceiling),
        "tests": None if result.tests is None else flat.add_dataset("tests", result.tests),
        "regions": None if result.regions is None else flat.add_array("regions", result.regions),
        "tables": [
            [as_json(name), flat.add_table(f"table-{name}", table)]
            for name, table in result.tables.items()
        ],
        "decisions": [as_json(vars(decision)) for decision in result.decisions],
        "provenance": as_json(result.provenance),
    }
    flat.dataset.attrs["encodekit_result"] = json.dumps(head)
    return flat.dataset


def _from_flat(kind: type[Any], flat: xr.Dataset, path: Path) -> Any:
    if "encodekit_result" not in flat.attrs:
        raise ValueError(f"{path} is not a saved result: expected what Result.save wrote")
    head = json.loads(flat.attrs["encodekit_result"])
    if head["schema"] > SCHEMA:
        raise ValueError(
            f"{path} has schema {head['schema']}, this encodekit knows {SCHEMA}: upgrade it"
        )
    if head["schema"] < SCHEMA:
        raise ValueError(
            f"{path} has schema {head['schema']}, this encodekit reads {SCHEMA}: run it again, or "
            "read it with the version that wrote it"
        )
    return kind(
        name=head["name"],
        scores=array_of(flat, head["scores"]),
        ceiling=None if head["ceiling"] is None else dataset_of(flat, head["ceiling"]),
        tests=None if head["tests"] is None else dataset_of(flat, head["tests"]),
        regions=None if head["regions"] is None else array_of(flat, head["regions"]),
        tables={from_json(name): table_of(flat, record) for name, record in head["tables"]},
        decisions=tuple(Decision(**from_json(decision)) for decision in head["decisions"]),
        provenance=from_json(head["provenance"]),
    )
