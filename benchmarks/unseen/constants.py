"""The constants that are learned, in files: of all experiments for the package, and without each for the panel."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.unseen.evidence import Evidence
from benchmarks.unseen.hazard import all_learned_waits
from benchmarks.unseen.learning import Learned, all_learned
from benchmarks.unseen.panel import PANEL, Ladder
from benchmarks.unseen.waiting import Wait
from flpjax.fitting import averaging
from flpjax.fitting.averaging import hyperpriors

LEFT_OUT = Path(__file__).parent / "left_out.toml"
DIGITS = 3
OF_ALL = """# What is known of ladders before one is seen; `python -m benchmarks.unseen --learn` writes it.
#
# Learned by empirical Bayes from the experiments below. The error of a number is how far it moves with them: the
# jackknife's s.d., of a median's or a hazard's logarithm, of a probability's logit, and of other numbers as they are.
# amplitude_median, amplitude_sd: by how much a law errs, per e-fold^1.5 of log loss or per nat^1.5 of score, and s.d.
#     of its logarithm; none: probability that it does not err
# noise_median, noise_sd: s.d. by which the largest run scatters about its law, and s.d. of its logarithm
# growth_sd: s.d. of how much the logarithm of the noise grows per e-fold of FLOPs towards small runs
# take_off: of tasks at chance: hazard of leaving it, per e-fold of loss or of compute, its mean over tasks, and its
#     variance over tasks as a multiple of the mean's square; share of the way to a full score that an e-fold gains at
#     first (median, and s.d. of its logarithm)
# laws: log weight before a ladder speaks
"""
WITHOUT = """# What hyperpriors.toml of the package would hold without each experiment: its ladders are scored
# with these. Written by `python -m benchmarks.unseen --learn`.
"""


def write_all(
    found: Sequence[Evidence], waits: Mapping[str, Sequence[Wait]], panel: Mapping[str, Ladder] = PANEL
) -> tuple[Path, Path]:
    """Learn from all experiments, and without each; write both files.

    Args:
        found: What ladders say of laws.
        waits: ``"loss"`` and ``"compute"`` → what tasks at chance did.
        panel: Ladders with their experiments.
    """
    experiments = list(dict.fromkeys(panel[e.ladder].experiment for e in found))
    whole = all_learned(found, panel=panel)
    without = {experiment: all_learned(found, experiment, panel) for experiment in experiments}
    own = Path(str(files(averaging).joinpath(hyperpriors.FILE)))
    own.write_text("\n".join([OF_ALL, of_all(whole, without), take_off_of_all(waits)]), "utf-8")
    LEFT_OUT.write_text("\n".join([WITHOUT, of_each(whole, without), take_off_of_each(waits, experiments)]), "utf-8")
    return own, LEFT_OUT


def take_off_of_all(waits: Mapping[str, Sequence[Wait]]) -> str:
    """The package's sections of tasks at chance: every number with its error by the jackknife."""
    whole, lines = all_learned_waits(waits), []
    experiments = dict.fromkeys(w.experiment for known in waits.values() for w in known)
    without = [all_learned_waits(waits, experiment) for experiment in experiments]
    for section, of in whole.items():
        lines.append(f"[{section}]")
        for name, value in of.items():
            moved = [_scaled(name, each[section][name]) for each in without if section in each]
            lines.append(_entry(name, value, jackknife(moved)))
        lines.append("")
    return "\n".join(lines)


def take_off_of_each(waits: Mapping[str, Sequence[Wait]], experiments: Sequence[str]) -> str:
    """The panel's sections; what no other experiment tells has the values of all."""
    whole, lines = all_learned_waits(waits), []
    told = {w.experiment for known in waits.values() for w in known}
    for experiment in experiments:
        each = whole | all_learned_waits(waits, experiment) if experiment in told else whole
        for section, of in each.items():
            lines += [f"[{experiment}.{section}]", *(_entry(name, value) for name, value in of.items()), ""]
    return "\n".join(lines)


def of_all(whole: Mapping[str, Learned], without: Mapping[str, Mapping[str, Learned]]) -> str:
    """The package's file: every number with its error by the jackknife."""
    names = ", ".join(f'"{name}"' for name in without)
    lines = [f"experiments = [{names}]"]
    for section, learned in whole.items():
        lines += ["", f"[{section}]"]
        for name, value in learned.of.items():
            moved = [_scaled(name, each[section].of[name]) for each in without.values() if section in each]
            lines.append(_entry(name, value, jackknife(moved)))
    lines += ["", "[laws]"]
    for section, learned in whole.items():
        for name, value in learned.laws.items():
            moved = [each[section].laws[name] for each in without.values() if name in _laws(each, section)]
            lines.append(_entry(name, value, jackknife(moved)))
    return "\n".join(lines) + "\n"


def of_each(whole: Mapping[str, Learned], without: Mapping[str, Mapping[str, Learned]]) -> str:
    """The panel's file; where no other experiment has such outputs the values are those of all.

    A law that no other experiment has weighs as much as the likeliest.
    """
    lines = []
    for experiment, each in without.items():
        for section in whole:
            of = each.get(section, whole[section]).of
            lines += [f"[{experiment}.{section}]", *(_entry(name, value) for name, value in of.items()), ""]
        lines += [f"[{experiment}.laws]"]
        laws = {name: _laws(each, section).get(name, 0.0) for section in whole for name in whole[section].laws}
        lines += [*(_entry(name, value) for name, value in laws.items()), ""]
    return "\n".join(lines)


def jackknife(values: Sequence[float]) -> float:
    """S.d. of an estimate from its values with each part left out (Tukey 1958); NaN of fewer than 2."""
    if len(values) < 2:
        return float("nan")
    return float(np.sqrt((len(values) - 1) / len(values) * np.sum((np.array(values) - np.mean(values)) ** 2)))


@contextmanager
def without(experiment: str) -> Iterator[None]:
    """While this lasts, ``auto`` knows what the other experiments say; nothing changes for one that taught nothing."""
    told = _left_out().get(experiment)
    if told is None:
        yield
        return
    usual = dict(hyperpriors.OF), dict(hyperpriors.LAW), dict(hyperpriors.TAKE_OFF)
    try:
        of, law = hyperpriors.learned(told)
        hyperpriors.TAKE_OFF.update(hyperpriors.waits(told))
        hyperpriors.OF.update(of)
        hyperpriors.LAW.clear()
        hyperpriors.LAW.update(law)
        yield
    finally:
        hyperpriors.OF.update(usual[0])
        hyperpriors.LAW.clear()
        hyperpriors.LAW.update(usual[1])
        hyperpriors.TAKE_OFF.update(usual[2])


@cache
def _left_out() -> Mapping[str, Any]:
    return tomllib.loads(LEFT_OUT.read_text("utf-8"))


def _laws(each: Mapping[str, Learned], section: str) -> Mapping[str, float]:
    return each[section].laws if section in each else {}


def _scaled(name: str, value: float) -> float:
    """A value on the scale of its error."""
    scales: dict[str, Callable[[float], float]] = {
        "amplitude_median": np.log,
        "noise_median": np.log,
        "hazard": np.log,
        "hazard_spread": np.log,
        "rise_median": np.log,
        "none": lambda p: np.log(p / (1.0 - p)),
    }
    return float(scales.get(name, float)(value))


def _entry(name: str, value: float, error: float | None = None) -> str:
    said = f"value = {_number(value)}" + ("" if error is None or np.isnan(error) else f", error = {_number(error)}")
    return f"{name} = {{ {said} }}"


def _number(value: float) -> str:
    """Three digits, in a form that TOML reads as a float."""
    text = f"{value:.{DIGITS}g}"
    return text if "." in text or "e" in text else f"{text}.0"
