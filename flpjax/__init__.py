"""flpjax: from a ladder of small language models to a forecast of a big one, with intervals.

Nothing heavy is imported until it is used: ``import flpjax`` alone costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from flpjax import renamed
from flpjax.version import __version__ as __version__

renamed.watch()

if TYPE_CHECKING:
    from flpjax import datasets as datasets
    from flpjax import errors as errors
    from flpjax import numerics as numerics
    from flpjax.cli.plots import plot_forecast as plot_forecast
    from flpjax.cli.plots_backtest import plot_backtest as plot_backtest
    from flpjax.cli.plots_mix import plot_mix as plot_mix
    from flpjax.cli.plots_plan import plot_plan as plot_plan
    from flpjax.cli.plots_priors import plot_posterior as plot_posterior
    from flpjax.cli.plots_selection import plot_next_runs as plot_next_runs
    from flpjax.cli.plots_speedup import plot_speedup as plot_speedup
    from flpjax.engine.recipe import Recipe as Recipe
    from flpjax.engine.settings import Settings as Settings
    from flpjax.engine.settings import Status as Status
    from flpjax.errors import FitError as FitError
    from flpjax.errors import FlpjaxError as FlpjaxError
    from flpjax.errors import InputError as InputError
    from flpjax.errors import PrecisionError as PrecisionError
    from flpjax.fitting.averaging.auto import auto as auto
    from flpjax.fitting.bootstrap import bootstrap as bootstrap
    from flpjax.fitting.diagnostics import Convergence as Convergence
    from flpjax.fitting.diagnostics import Sampling as Sampling
    from flpjax.fitting.diagnostics import convergence as convergence
    from flpjax.fitting.discovery.discovery import Discovery as Discovery
    from flpjax.fitting.discovery.discovery import discover as discover
    from flpjax.fitting.draws import Draws as Draws
    from flpjax.fitting.fit import fit as fit
    from flpjax.fitting.fit import method as method
    from flpjax.fitting.lawsearch.found import FoundLaws as FoundLaws
    from flpjax.fitting.lawsearch.search import discover_law as discover_law
    from flpjax.fitting.point import bind as bind
    from flpjax.fitting.point import point as point
    from flpjax.fitting.posterior.against import against_priors as against_priors
    from flpjax.fitting.posterior.arviz import to_arviz as to_arviz
    from flpjax.fitting.posterior.posterior import posterior as posterior
    from flpjax.fitting.posterior.posteriors import Posteriors as Posteriors
    from flpjax.fitting.posterior.posteriors import posteriors as posteriors
    from flpjax.fitting.posterior.priors import Normal as Normal
    from flpjax.fitting.posterior.priors import Prior as Prior
    from flpjax.fitting.posterior.priors import Priors as Priors
    from flpjax.fitting.posterior.priors import priors_of as priors_of
    from flpjax.fitting.saved.files import load as load
    from flpjax.interface.answer import Answer as Answer
    from flpjax.interface.ladder import Ladder as Ladder
    from flpjax.ladder.compute import Compute as Compute
    from flpjax.ladder.features import Feature as Feature
    from flpjax.ladder.features import Features as Features
    from flpjax.ladder.select import Selection as Selection
    from flpjax.ladder.simulate import simulate_ladder as simulate_ladder
    from flpjax.ladder.simulate_mixtures import simulate_mixtures as simulate_mixtures
    from flpjax.ladder.table import Runs as Runs
    from flpjax.ladder.tasks import Task as Task
    from flpjax.laws.formula.formula import FormulaLaw as FormulaLaw
    from flpjax.laws.formula.function import FunctionLaw as FunctionLaw
    from flpjax.laws.formula.function import positive as positive
    from flpjax.laws.formula.function import real as real
    from flpjax.laws.formula.function import share as share
    from flpjax.laws.formula.make import law as law
    from flpjax.laws.hinge import Hinge as Hinge
    from flpjax.laws.law import Law as Law
    from flpjax.laws.law import Parameter as Parameter
    from flpjax.laws.loss_score import Exponential as Exponential
    from flpjax.laws.loss_score import FallingSigmoid as FallingSigmoid
    from flpjax.laws.loss_score import Linear as Linear
    from flpjax.laws.loss_score import Saturating as Saturating
    from flpjax.laws.loss_score import Sigmoid as Sigmoid
    from flpjax.laws.mixture_laws import BiMix as BiMix
    from flpjax.laws.mixture_laws import MixChinchilla as MixChinchilla
    from flpjax.laws.mixture_laws import MixExponential as MixExponential
    from flpjax.laws.mixture_loss import M2 as M2
    from flpjax.laws.mixture_loss import M3 as M3
    from flpjax.laws.mixture_loss import M4 as M4
    from flpjax.laws.module import ModuleLaw as ModuleLaw
    from flpjax.laws.network import DomainLinear as DomainLinear
    from flpjax.laws.network import Network as Network
    from flpjax.laws.power_law import Chinchilla as Chinchilla
    from flpjax.laws.power_law import LogPowerLaw as LogPowerLaw
    from flpjax.laws.power_law import PowerLaw as PowerLaw
    from flpjax.laws.power_law import PowerLawE as PowerLawE
    from flpjax.laws.power_mix import PowerMix as PowerMix
    from flpjax.laws.published import PublishedLaw as PublishedLaw
    from flpjax.laws.published import published_law as published_law
    from flpjax.methods.direct import FP as FP
    from flpjax.methods.flp import FLP as FLP
    from flpjax.methods.flpm import FLPM as FLPM
    from flpjax.methods.method import BoundModel as BoundModel
    from flpjax.methods.method import Method as Method
    from flpjax.methods.method import Model as Model
    from flpjax.methods.registry import Auto as Auto
    from flpjax.readers.groups import read_groups as read_groups
    from flpjax.readers.importing import Imported as Imported
    from flpjax.readers.importing import import_runs as import_runs
    from flpjax.readers.read import read_columns as read_columns
    from flpjax.readers.read import read_runs as read_runs
    from flpjax.results.allocation.allocation import Allocation as Allocation
    from flpjax.results.allocation.plan import plan as plan
    from flpjax.results.allocation.sweep import SweepEnvelope as SweepEnvelope
    from flpjax.results.allocation.sweep import sweep_envelope as sweep_envelope
    from flpjax.results.backtest import backtest as backtest
    from flpjax.results.check import Check as Check
    from flpjax.results.check import check as check
    from flpjax.results.compare import Comparison as Comparison
    from flpjax.results.compare import compare as compare
    from flpjax.results.constraints import Constraints as Constraints
    from flpjax.results.constraints import Group as Group
    from flpjax.results.forecast import Forecast as Forecast
    from flpjax.results.forecast import Interval as Interval
    from flpjax.results.forecast import forecast as forecast
    from flpjax.results.goal import Goal as Goal
    from flpjax.results.mix import Mix as Mix
    from flpjax.results.mix_curve import MixCurve as MixCurve
    from flpjax.results.mix_curve import mix_curve as mix_curve
    from flpjax.results.mixture import optimise_mix as optimise_mix
    from flpjax.results.path import ForecastPath as ForecastPath
    from flpjax.results.path import ScoreMap as ScoreMap
    from flpjax.results.path import forecast_path as forecast_path
    from flpjax.results.path import score_map as score_map
    from flpjax.results.record import Backtest as Backtest
    from flpjax.results.record import Cell as Cell
    from flpjax.results.record import Record as Record
    from flpjax.results.registration import Registration as Registration
    from flpjax.results.registration import register as register
    from flpjax.results.review import review as review
    from flpjax.results.score_log import Calibration as Calibration
    from flpjax.results.score_log import read_log as read_log
    from flpjax.results.scoring import Scoring as Scoring
    from flpjax.results.scoring import score as score
    from flpjax.results.selection.candidates import Candidates as Candidates
    from flpjax.results.selection.first_ladder import first_ladder as first_ladder
    from flpjax.results.selection.gradient import expected_gain as expected_gain
    from flpjax.results.selection.next_runs import next_runs as next_runs
    from flpjax.results.selection.result import NextRun as NextRun
    from flpjax.results.selection.result import NextRuns as NextRuns
    from flpjax.results.speedup.result import Speedup as Speedup
    from flpjax.results.speedup.speedup import speedup as speedup
    from flpjax.results.target import Target as Target
    from flpjax.results.target import targets_of as targets_of
    from flpjax.results.tuning import Tuned as Tuned
    from flpjax.results.tuning import Tuning as Tuning
    from flpjax.results.tuning import tune as tune
    from flpjax.results.verdicts import Finding as Finding
    from flpjax.results.verdicts import Review as Review
    from flpjax.results.verdicts import Verdict as Verdict

_HOME = {
    "results.allocation.allocation": ("Allocation",),
    "results.allocation.plan": ("plan",),
    "results.allocation.sweep": ("SweepEnvelope", "sweep_envelope"),
    "results.backtest": ("backtest",),
    "results.check": ("Check", "check"),
    "results.compare": ("Comparison", "compare"),
    "results.constraints": ("Constraints", "Group"),
    "results.forecast": ("Forecast", "Interval", "forecast"),
    "results.goal": ("Goal",),
    "results.mix": ("Mix",),
    "results.mix_curve": ("MixCurve", "mix_curve"),
    "results.mixture": ("optimise_mix",),
    "results.path": ("ForecastPath", "ScoreMap", "forecast_path", "score_map"),
    "results.record": ("Backtest", "Cell", "Record"),
    "results.registration": ("Registration", "register"),
    "results.review": ("review",),
    "results.score_log": ("Calibration", "read_log"),
    "results.scoring": ("Scoring", "score"),
    "results.selection.candidates": ("Candidates",),
    "results.selection.first_ladder": ("first_ladder",),
    "results.selection.gradient": ("expected_gain",),
    "results.selection.next_runs": ("next_runs",),
    "results.selection.result": ("NextRun", "NextRuns"),
    "results.speedup.result": ("Speedup",),
    "results.speedup.speedup": ("speedup",),
    "results.target": ("Target", "targets_of"),
    "results.tuning": ("Tuned", "Tuning", "tune"),
    "results.verdicts": ("Finding", "Review", "Verdict"),
    "engine.recipe": ("Recipe",),
    "engine.settings": ("Settings", "Status"),
    "errors": ("FitError", "FlpjaxError", "InputError", "PrecisionError"),
    "cli.plots": ("plot_forecast",),
    "cli.plots_backtest": ("plot_backtest",),
    "cli.plots_mix": ("plot_mix",),
    "cli.plots_plan": ("plot_plan",),
    "cli.plots_priors": ("plot_posterior",),
    "cli.plots_selection": ("plot_next_runs",),
    "cli.plots_speedup": ("plot_speedup",),
    "interface.answer": ("Answer",),
    "interface.ladder": ("Ladder",),
    "fitting.averaging.auto": ("auto",),
    "fitting.posterior.against": ("against_priors",),
    "fitting.posterior.arviz": ("to_arviz",),
    "fitting.bootstrap": ("bootstrap",),
    "fitting.diagnostics": ("Convergence", "Sampling", "convergence"),
    "fitting.discovery.discovery": ("Discovery", "discover"),
    "fitting.draws": ("Draws",),
    "fitting.fit": ("fit", "method"),
    "fitting.lawsearch.found": ("FoundLaws",),
    "fitting.lawsearch.search": ("discover_law",),
    "fitting.point": ("bind", "point"),
    "fitting.posterior.posterior": ("posterior",),
    "fitting.posterior.posteriors": ("Posteriors", "posteriors"),
    "fitting.posterior.priors": ("Normal", "Prior", "Priors", "priors_of"),
    "fitting.saved.files": ("load",),
    "laws.formula.formula": ("FormulaLaw",),
    "laws.formula.function": ("FunctionLaw", "positive", "real", "share"),
    "laws.formula.make": ("law",),
    "laws.hinge": ("Hinge",),
    "laws.law": ("Features", "Law", "Parameter"),
    "laws.loss_score": ("Exponential", "FallingSigmoid", "Linear", "Saturating", "Sigmoid"),
    "laws.mixture_laws": ("BiMix", "MixChinchilla", "MixExponential"),
    "laws.mixture_loss": ("M2", "M3", "M4"),
    "laws.module": ("ModuleLaw",),
    "laws.network": ("DomainLinear", "Network"),
    "laws.power_law": ("Chinchilla", "LogPowerLaw", "PowerLaw", "PowerLawE"),
    "laws.power_mix": ("PowerMix",),
    "laws.published": ("PublishedLaw", "published_law"),
    "methods.direct": ("FP",),
    "methods.flp": ("FLP",),
    "methods.flpm": ("FLPM",),
    "methods.method": ("BoundModel", "Method", "Model"),
    "methods.registry": ("Auto",),
    "readers.groups": ("read_groups",),
    "readers.importing": ("Imported", "import_runs"),
    "readers.read": ("read_columns", "read_runs"),
    "ladder.compute": ("Compute",),
    "ladder.features": ("Feature",),
    "ladder.select": ("Selection",),
    "ladder.simulate": ("simulate_ladder",),
    "ladder.simulate_mixtures": ("simulate_mixtures",),
    "ladder.table": ("Runs",),
    "ladder.tasks": ("Task",),
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
