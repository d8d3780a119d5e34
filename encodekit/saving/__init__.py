"""Fitted models as folders without pickle, and studies by name or folder."""

from encodekit.saving._load_study import load_study
from encodekit.saving._models import load, pack_parameters, save, unpack_parameters

__all__ = ["load", "load_study", "pack_parameters", "save", "unpack_parameters"]
