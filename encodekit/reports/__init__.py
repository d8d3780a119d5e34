"""Figures as plain functions, and the report in one HTML file."""

from encodekit.reports._intervals import Interval, t_interval
from encodekit.reports._layers import plot_layer_profile
from encodekit.reports._models import plot_models_by_participant
from encodekit.reports._palette import colours_of
from encodekit.reports._parts import Highlight, Picture, Section, Table
from encodekit.reports._provenance import environment
from encodekit.reports._regions import plot_by_region
from encodekit.reports._report import report
from encodekit.reports._surface import plot_surface
from encodekit.reports._training import plot_training

__all__ = [
    "Highlight",
    "Interval",
    "Picture",
    "Section",
    "Table",
    "colours_of",
    "environment",
    "plot_by_region",
    "plot_layer_profile",
    "plot_models_by_participant",
    "plot_surface",
    "plot_training",
    "report",
    "t_interval",
]
