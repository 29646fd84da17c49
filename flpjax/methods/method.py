"""Compute in, losses and scores out: what every method promises, and what a fit needs of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.recipe import Recipe
from flpjax.errors import InputError, count
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.ladder.unfinished import final_value_rule
from flpjax.laws.law import Law, Params, size
from flpjax.laws.residual import Residual
from flpjax.methods.inputs import Inputs, called, check_inputs, law_for
from flpjax.methods.signs import for_signs

StageName = Literal["loss", "score"]
"""The two stages of a model, and the two kinds of what it predicts: losses of compute, and scores."""
StageParams = dict[str, Params]
"""Stage → parameter → ``(output, …)``."""


Units = tuple[tuple[float, float], ...]
"""Output → zero and unit of standardised values."""
Signed = tuple[bool, ...]
"""``(domain,)`` whether a loss may be negative, so that measured values scatter about it by difference; () if none."""


class Prediction(NamedTuple):
    """What a model says about one target."""

    loss: Array  # (domain,)
    score: Array  # (task,)


class Model(Protocol):
    """A method bound to the domains and tasks of a ladder: static, hashable, ``params → prediction`` pure."""

    @property
    def domains(self) -> tuple[str, ...]:
        """``(domain,)`` the losses it predicts."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """``(task,)`` the scores it predicts."""
        ...

    @property
    def sources(self) -> tuple[str, ...]:
        """``(source,)`` the data sources whose mixture weights it reads; empty if the mixture has no say."""
        ...

    @property
    def inputs(self) -> Inputs:
        """The features that it reads, each with the name of the law that does."""
        ...

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes its predictions zero or infinite."""
        ...

    @property
    def via(self) -> tuple[tuple[int, ...], ...]:
        """``(task,)`` the domains that each score is a function of; empty for a model without losses."""
        ...

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Losses and scores of ONE target; callers ``vmap``."""
        ...

    def score_from_loss(self, params: StageParams, loss: Array) -> Array | None:
        """Scores ``(task,)`` of one target whose losses ``(domain,)`` are known; None for a model without losses."""
        ...


@dataclass(frozen=True, eq=False)
class Stage:
    """One batch of fits, one per output, of one law: the unit that solvers, bootstraps and posteriors work on.

    Attributes:
        name: Of what it predicts.
        residual: Form, space and robustness; static.
        outputs: ``(output,)`` the domains or tasks.
        x: The law's input, leaves ``(output, row)``.
        y: ``(output, row)``; where the weight is 0, any finite number.
        weight: ``(output, row)``.
        run: ``(row,)`` which training run a row belongs to.
        recipe: How to train the form, if it is one that the solver can't search; None for the solver.
        units: Per output ``(zero, unit)`` of ``y``, where the law is fitted to standardised values; () where not.
        signed: Of losses, per output whether it may be negative; () where none is.
    """

    name: StageName
    residual: Residual
    outputs: tuple[str, ...]
    x: Any
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    run: NDArray[np.int64]
    recipe: Recipe | None = None
    units: Units = ()
    signed: Signed = ()

    @property
    def law(self) -> Law:
        """The formula of this stage."""
        return self.residual.law


@dataclass(frozen=True, eq=False)
class BoundModel:
    """A method bound to a ladder, ready to be fitted."""

    model: Model
    stages: tuple[Stage, ...]
    runs: Runs
    warnings: tuple[str, ...] = ()


class Method(Protocol):
    """A method of forecasting, as configuration."""

    def bind(self, runs: Runs) -> BoundModel:
        """Bind to the runs of a ladder that a fit may see.

        Raises:
            InputError: The ladder can't carry this method; the message says what is missing.
        """
        ...


def final_losses(
    runs: Runs, residual: Residual, domains: tuple[str, ...], needed: frozenset[str], recipe: Recipe
) -> tuple[Stage, tuple[str, ...]]:
    """The stage compute → loss: final checkpoints, one point a run, all domains at once.

    Args:
        runs: The ladder.
        residual: Form, space and robustness.
        domains: The domains to fit.
        needed: Those among them that scores go through.
        recipe: How to train a law that the solver can't search.

    Returns:
        The stage, and warnings about domains that too few runs measured and no score needs: they are left out.

    Raises:
        InputError: A needed domain, or every domain, has fewer runs than the law has parameters; or may be negative,
            and the law is of positive losses.
    """
    finals = runs.finals()
    finals = finals.rows(np.isfinite(np.stack([finals.loss_of(d) for d in domains])).max(axis=0))
    if not len(finals):
        raise InputError(
            "no run has a final loss",
            where=runs.source,
            remedy=f"Measure losses where runs end: {final_value_rule(runs)}",
        )
    residual, domains, excluded = for_signs(runs, residual, domains, needed)
    law = law_for(residual.law, runs, np.stack([finals.loss_of(d) for d in domains]))
    check_inputs(law, finals)
    compute = finals.law_inputs
    residual = replace(residual, law=law.centred(compute))
    counts = {d: int(np.isfinite(finals.loss_of(d)).sum()) for d in domains}
    need = runs_needed(residual.law)
    fit = tuple(d for d in domains if counts[d] >= need or d in needed) or domains[:1]
    for domain in fit:
        enough_runs(residual.law, counts[domain], f"{runs.source}, loss '{domain}'")
    warnings = tuple(
        f"loss '{d}' is not forecast: {count(counts[d], 'run')} with a final value, {need} are needed"
        for d in domains
        if d not in fit
    )
    signed = tuple(d in runs.signed for d in fit)
    y = np.stack([finals.loss_of(d) for d in fit])
    weight = np.isfinite(y).astype(float)
    stage = Stage(
        "loss",
        residual,
        fit,
        tile_outputs(compute, len(fit)),
        np.where(weight > 0, y, 1.0),
        weight,
        np.array([runs.names.index(n) for n in finals.names], np.int64)[finals.run],
        recipe_for(residual.law, recipe),
        signed=signed if any(signed) else (),
    )
    return stage, (*excluded, *warnings)


def recipe_for(law: Law, recipe: Recipe) -> Recipe | None:
    """The recipe, of a law that is trained; None of one that the solver searches."""
    return recipe if getattr(law, "trained", False) else None


def runs_needed(law: Law) -> int:
    """Runs for a point fit: as many as a centred law has parameters, unless its priors hold it."""
    return 2 if getattr(law, "prior_regularised", False) else max(size(law), 2)


def enough_runs(law: Law, runs: int, where: str) -> None:
    """Refuse a law with more parameters than runs.

    Raises:
        InputError: There are fewer runs than parameters, or one run only.
    """
    need = runs_needed(law)
    if runs < need:
        have = "one run only" if runs == 1 else f"{runs} runs"
        raise InputError(
            f"{have} with a final value, and {called(law)} has {size(law)} parameters",
            where=where,
            remedy=f"Give at least {need} runs" + (", or choose a form with fewer parameters" if runs > 1 else ""),
        )


def tile_outputs(x: Any, outputs: int) -> Any:
    """Give every leaf ``(row, …)`` a leading ``output`` axis of equal entries."""
    return jax.tree.map(lambda leaf: np.broadcast_to(leaf, (outputs, *np.shape(leaf))), x)
