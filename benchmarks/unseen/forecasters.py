"""The methods that are compared: ``auto``, single methods, naive rivals, and what was published of a ladder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from jax import Array

from benchmarks.unseen import naive, published
from benchmarks.unseen.ablation import VARIANTS, Variant, changed
from benchmarks.unseen.constants import without
from benchmarks.unseen.panel import PANEL
from benchmarks.unseen.published import Floats, Points
from flpjax import Draws, Runs, auto, bootstrap, forecast, method, posterior, targets_of


class UnsuitedError(Exception):
    """A method that says nothing of a ladder: no failure."""


Forecaster = Callable[[str, Runs, Runs, Array, int], Floats | Draws]
"""Ladder, training runs, targets without their values, key, draws → log losses and scores (draw, target, output), or
draws that forecast them."""
FORMS = {
    "chinchilla": ("chinchilla+sigmoid", "mix-chinchilla+domain-linear"),
    "chinchilla-tied": ("chinchilla-tied+sigmoid", "mix-chinchilla-recent+domain-linear"),
    "power": ("power+sigmoid", "m3+domain-linear"),
    "power-e": ("power-e+sigmoid", "m3-e+domain-linear"),
}
"""Family → its single method on plain ladders, and on mixtures."""
PAPERS = "flp"
HUBER = ("chinchilla", *(f"isoflops/{name}" for name in ("epochai_chinchilla", "ml_scalefit")))
MARIN = tuple(f"isoflops/marin_{name}" for name in ("comma", "dclm", "nemotron"))
LAWS: Mapping[str, Callable[[Points, Points], Floats]] = {
    **dict.fromkeys((*HUBER, *MARIN), published.chinchilla),
    "farseer": published.farseer,
    "data_constrained": published.repeated,
}


def drawn(draws: Draws, asked: Runs) -> Floats:
    """Log losses and scores ``(draw, target, output)`` of what a run will measure, in the order of the table."""
    seen = forecast(draws, targets_of(asked))
    values = np.full((len(draws), len(asked), len(asked.domains) + len(asked.tasks)), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        losses = np.log(seen.loss_draws)
    for model, table, own, first in (
        (draws.model.domains, asked.domains, losses, 0),
        (draws.model.tasks, asked.task_names, seen.score_draws, len(asked.domains)),
    ):
        for j, name in enumerate(model):
            if name in table:
                values[:, :, first + table.index(name)] = own[:, :, j]
    return values


def _blend(ladder: str, training: Runs, asked: Runs, key: Array, draws: int) -> Draws:
    with without(PANEL[ladder].experiment):
        return auto(training, key, draws=draws)


def _ablated(variant: Variant, ladder: str, training: Runs, asked: Runs, key: Array, draws: int) -> Floats:
    with without(PANEL[ladder].experiment), changed(variant):
        return drawn(auto(training, key, draws=draws, methods=variant.methods(training)), asked)


def _resampled(family: str, _: str, training: Runs, asked: Runs, key: Array, draws: int) -> Floats:
    name = FORMS[family][bool(training.sources)]
    return drawn(bootstrap(method(name), training, key, draws=draws, strict=False), asked)


def _papers(_: str, training: Runs, asked: Runs, key: Array, draws: int) -> Floats:
    if not training.tasks:
        raise UnsuitedError("there are no scores")
    return drawn(bootstrap(method(PAPERS), training, key, draws=draws, strict=False), asked)


def _posterior(_: str, training: Runs, asked: Runs, key: Array, draws: int) -> Floats:
    name = FORMS["chinchilla"][bool(training.sources)]
    return drawn(posterior(method(name), training, key, method="laplace", draws=draws, strict=False), asked)


def _naive(rule: Callable[[Runs, Runs], Floats], _: str, training: Runs, asked: Runs, key: Array, draws: int) -> Floats:
    return rule(training, asked)


def _published(ladder: str, training: Runs, asked: Runs, key: Array, draws: int) -> Floats:
    if ladder.startswith("gadre2024-"):
        fit = published.gadre(training, key)
        if fit is None:
            raise UnsuitedError("the recipe names runs that are not seen")
        return drawn(fit, asked)
    if ladder not in LAWS:
        raise UnsuitedError("no method is published")
    return LAWS[ladder](Points.of(training), Points.of(asked))[None, :, None]


FORECASTERS: Mapping[str, Forecaster] = {
    "auto": _blend,
    "bootstrap": partial(_resampled, "chinchilla"),
    "posterior": _posterior,
    **{family: partial(_resampled, family) for family in ("chinchilla-tied", "power", "power-e")},
    PAPERS: _papers,
    "last": partial(_naive, naive.last),
    "line": partial(_naive, naive.line),
    "published": _published,
    **{f"auto-{name}": partial(_ablated, variant) for name, variant in VARIANTS.items()},
}
"""``bootstrap`` and ``posterior`` are of the family ``chinchilla``; ``last``, ``line`` and ``published`` are points,
which hold nothing. ``auto-…`` are those of :mod:`benchmarks.unseen.ablation`, which run only when they are named."""
USUAL = tuple(name for name in FORECASTERS if not name.startswith("auto-"))
RIVALS = ("last", "line", "published")
QUICK = ("auto", "bootstrap", "power", "last", "line", "published")
EVERYWHERE = ("auto", "bootstrap", "last", "line", "published")  # rolling origins, too; the others the final targets
QUICK_EVERYWHERE = ("auto", "last", "line")
