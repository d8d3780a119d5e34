"""Packages that one adapter needs, imported when it is used."""

from functools import partial

from encodekit.core import import_extra

need = partial(import_extra, distribution="encodekit-adapters")
