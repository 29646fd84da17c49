"""flpjax: from a ladder of small language models to a forecast of a big one, with intervals.

Nothing heavy is imported until it is used: ``import flpjax`` alone costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from flpjax.version import __version__ as __version__

if TYPE_CHECKING:
    from flpjax import datasets as datasets
    from flpjax import errors as errors
    from flpjax import numerics as numerics
    from flpjax.answers.backtest import backtest as backtest
    from flpjax.answers.cell import Cell as Cell
    from flpjax.answers.check import Check as Check
    from flpjax.answers.check import check as check
    from flpjax.answers.compare import Comparison as Comparison
    from flpjax.answers.compare import compare as compare
    from flpjax.answers.constraints import Constraints as Constraints
    from flpjax.answers.constraints import Group as Group
    from flpjax.answers.forecast import Forecast as Forecast
    from flpjax.answers.forecast import Interval as Interval
    from flpjax.answers.forecast import forecast as forecast
    from flpjax.answers.goal import Goal as Goal
    from flpjax.answers.mix import Mix as Mix
    from flpjax.answers.mix_curve import MixCurve as MixCurve
    from flpjax.answers.mix_curve import mix_curve as mix_curve
    from flpjax.answers.mixture import optimise_mix as optimise_mix
    from flpjax.answers.path import ForecastPath as ForecastPath
    from flpjax.answers.path import forecast_path as forecast_path
    from flpjax.answers.record import Backtest as Backtest
    from flpjax.answers.record import Record as Record
    from flpjax.answers.review import review as review
    from flpjax.answers.score_map import ScoreMap as ScoreMap
    from flpjax.answers.score_map import score_map as score_map
    from flpjax.answers.target import Target as Target
    from flpjax.answers.target import targets_of as targets_of
    from flpjax.answers.verdicts import Finding as Finding
    from flpjax.answers.verdicts import Review as Review
    from flpjax.answers.verdicts import Verdict as Verdict
    from flpjax.engine.recipe import Recipe as Recipe
    from flpjax.engine.settings import Settings as Settings
    from flpjax.engine.status import Status as Status
    from flpjax.errors import FitError as FitError
    from flpjax.errors import FlpjaxError as FlpjaxError
    from flpjax.errors import InputError as InputError
    from flpjax.errors import PrecisionError as PrecisionError
    from flpjax.faces.plots import plot_forecast as plot_forecast
    from flpjax.faces.plots_mix import plot_mix as plot_mix
    from flpjax.fitting.blending.auto import auto as auto
    from flpjax.fitting.bootstrap import bootstrap as bootstrap
    from flpjax.fitting.convergence import Convergence as Convergence
    from flpjax.fitting.convergence import Sampling as Sampling
    from flpjax.fitting.convergence import convergence as convergence
    from flpjax.fitting.discovery.discovery import Discovery as Discovery
    from flpjax.fitting.discovery.discovery import discover as discover
    from flpjax.fitting.draws import Draws as Draws
    from flpjax.fitting.point import point as point
    from flpjax.fitting.posterior.arviz import to_arviz as to_arviz
    from flpjax.fitting.posterior.posterior import posterior as posterior
    from flpjax.fitting.posterior.priors import Normal as Normal
    from flpjax.fitting.posterior.priors import Prior as Prior
    from flpjax.fitting.posterior.priors import Priors as Priors
    from flpjax.fitting.posterior.priors import priors_of as priors_of
    from flpjax.forms.loss_score import Exponential as Exponential
    from flpjax.forms.loss_score import Linear as Linear
    from flpjax.forms.loss_score import Saturating as Saturating
    from flpjax.forms.loss_score import Sigmoid as Sigmoid
    from flpjax.forms.mixture_laws import BiMix as BiMix
    from flpjax.forms.mixture_laws import MixChinchilla as MixChinchilla
    from flpjax.forms.mixture_laws import MixExponential as MixExponential
    from flpjax.forms.mixture_loss import M2 as M2
    from flpjax.forms.mixture_loss import M3 as M3
    from flpjax.forms.mixture_loss import M4 as M4
    from flpjax.forms.network import DomainLinear as DomainLinear
    from flpjax.forms.network import Network as Network
    from flpjax.forms.power_law import Chinchilla as Chinchilla
    from flpjax.forms.power_law import LogPowerLaw as LogPowerLaw
    from flpjax.forms.power_law import PowerLaw as PowerLaw
    from flpjax.forms.power_law import PowerLawE as PowerLawE
    from flpjax.forms.power_mix import PowerMix as PowerMix
    from flpjax.predictors.auto import Auto as Auto
    from flpjax.predictors.direct import FP as FP
    from flpjax.predictors.flp import FLP as FLP
    from flpjax.predictors.flpm import FLPM as FLPM
    from flpjax.predictors.methods import method as method
    from flpjax.readers.read import read_runs as read_runs
    from flpjax.runs.compute import Compute as Compute
    from flpjax.runs.select import Selection as Selection
    from flpjax.runs.simulate import simulate_ladder as simulate_ladder
    from flpjax.runs.simulate_mixtures import simulate_mixtures as simulate_mixtures
    from flpjax.runs.table import Runs as Runs
    from flpjax.runs.tasks import Task as Task

_HOME = {
    "answers.backtest": ("backtest",),
    "answers.check": ("Check", "check"),
    "answers.compare": ("Comparison", "compare"),
    "answers.constraints": ("Constraints", "Group"),
    "answers.forecast": ("Forecast", "Interval", "forecast"),
    "answers.goal": ("Goal",),
    "answers.mix": ("Mix",),
    "answers.mix_curve": ("MixCurve", "mix_curve"),
    "answers.mixture": ("optimise_mix",),
    "answers.cell": ("Cell",),
    "answers.path": ("ForecastPath", "forecast_path"),
    "answers.record": ("Backtest", "Record"),
    "answers.review": ("review",),
    "answers.score_map": ("ScoreMap", "score_map"),
    "answers.target": ("Target", "targets_of"),
    "answers.verdicts": ("Finding", "Review", "Verdict"),
    "engine.recipe": ("Recipe",),
    "engine.settings": ("Settings",),
    "engine.status": ("Status",),
    "errors": ("FitError", "FlpjaxError", "InputError", "PrecisionError"),
    "faces.plots": ("plot_forecast",),
    "faces.plots_mix": ("plot_mix",),
    "fitting.blending.auto": ("auto",),
    "fitting.posterior.arviz": ("to_arviz",),
    "fitting.bootstrap": ("bootstrap",),
    "fitting.convergence": ("Convergence", "Sampling", "convergence"),
    "fitting.discovery.discovery": ("Discovery", "discover"),
    "fitting.draws": ("Draws",),
    "fitting.point": ("point",),
    "fitting.posterior.posterior": ("posterior",),
    "fitting.posterior.priors": ("Normal", "Prior", "Priors", "priors_of"),
    "forms.loss_score": ("Exponential", "Linear", "Saturating", "Sigmoid"),
    "forms.mixture_laws": ("BiMix", "MixChinchilla", "MixExponential"),
    "forms.mixture_loss": ("M2", "M3", "M4"),
    "forms.network": ("DomainLinear", "Network"),
    "forms.power_law": ("Chinchilla", "LogPowerLaw", "PowerLaw", "PowerLawE"),
    "forms.power_mix": ("PowerMix",),
    "predictors.auto": ("Auto",),
    "predictors.direct": ("FP",),
    "predictors.flp": ("FLP",),
    "predictors.flpm": ("FLPM",),
    "predictors.methods": ("method",),
    "readers.read": ("read_runs",),
    "runs.compute": ("Compute",),
    "runs.select": ("Selection",),
    "runs.simulate": ("simulate_ladder",),
    "runs.simulate_mixtures": ("simulate_mixtures",),
    "runs.table": ("Runs",),
    "runs.tasks": ("Task",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
_MODULES = ("datasets", "errors", "numerics")
"""Modules that are attributes too, imported when they are first asked for."""
__all__ = sorted([*_MODULE_OF, *_MODULES])


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"flpjax.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'flpjax' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"flpjax.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
