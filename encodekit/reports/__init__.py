"""Results, figures as plain functions, and the report in one HTML file."""

from encodekit.reports._audit import audit
from encodekit.reports._curves import plot_learning_curve
from encodekit.reports._decisions import Decision, fitted_runs, heard_before, heard_in
from encodekit.reports._difference import plot_difference
from encodekit.reports._evaluate import describe_study, evaluate, recorded_steps
from encodekit.reports._fir import plot_fir
from encodekit.reports._intervals import Interval, t_interval
from encodekit.reports._layers import plot_layer_profile
from encodekit.reports._methods import methods
from encodekit.reports._models import plot_models_by_participant
from encodekit.reports._palette import colours_of
from encodekit.reports._panels import audit_panel, methods_panel
from encodekit.reports._provenance import environment
from encodekit.reports._regions import plot_by_region
from encodekit.reports._report import report
from encodekit.reports._result import Result
from encodekit.reports._sections import Highlight, Picture, Section, Table
from encodekit.reports._surface import plot_surface
from encodekit.reports._training import plot_training
from encodekit.reports._viewer import SurfaceViewer

__all__ = [
    "Decision",
    "Highlight",
    "Interval",
    "Picture",
    "Result",
    "Section",
    "SurfaceViewer",
    "Table",
    "audit",
    "audit_panel",
    "colours_of",
    "describe_study",
    "environment",
    "evaluate",
    "fitted_runs",
    "heard_before",
    "heard_in",
    "methods",
    "methods_panel",
    "plot_by_region",
    "plot_difference",
    "plot_fir",
    "plot_layer_profile",
    "plot_learning_curve",
    "plot_models_by_participant",
    "plot_surface",
    "plot_training",
    "recorded_steps",
    "report",
    "t_interval",
]
