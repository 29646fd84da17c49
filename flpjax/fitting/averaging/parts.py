"""The distinct laws of losses and maps to scores among methods, each fitted at all origins and hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.special import logsumexp

from flpjax.engine.settings import Settings, Status
from flpjax.errors import FitError, InputError, some_of
from flpjax.fitting.averaging.evidence import Fits, fit_outputs
from flpjax.fitting.averaging.hyperpriors import Grid, grid_of, log_weight
from flpjax.fitting.averaging.lanes import constants_of
from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.averaging.rows import rows_of
from flpjax.fitting.averaging.sampling import sample_outputs
from flpjax.fitting.averaging.sheet import Rows
from flpjax.fitting.draws import StageFit, unpack_all
from flpjax.fitting.point import STEPS
from flpjax.fitting.staged import Fitted, fit_stage
from flpjax.ladder.table import Runs
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Params
from flpjax.methods.discrepant import with_discrepancy
from flpjax.methods.method import BoundModel, Method, Stage
from flpjax.numerics import generator

Floats = NDArray[np.float64]
SINGLE_STEPS = Settings(steps=STEPS)


@dataclass(frozen=True, eq=False)
class Part:
    """One law of losses, or one map to scores, on one ladder.

    Attributes:
        name: The half of the name of the first method that has it.
        stage: With the law and its discrepancy.
        through: Per output the losses that a map reads; () of a law of losses, or a map of compute.
        single: Whether a map takes one loss rather than a vector.
        order: Per output the sources as the law takes them; or ().
        sources: The data sources that the law reads.
        grid: Of hyperparameters.
        rows: Per output.
        fits: Leaves ``(output, …)``; None of a stage that is trained by a recipe.
        trained: How such a stage was trained.
    """

    name: str
    stage: Stage
    through: tuple[tuple[str, ...], ...]
    single: bool
    order: tuple[tuple[int, ...], ...]
    sources: tuple[str, ...]
    grid: Grid
    rows: tuple[Rows, ...]
    fits: Fits | None
    trained: Fitted | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The losses or tasks that it forecasts."""
        return self.stage.outputs

    @property
    def law(self) -> Law:
        """The formula, with its discrepancy."""
        return self.stage.law

    def log_evidence(self, output: str) -> Floats:
        """``(origin,)`` of one output, the law's prior included; minus infinity where it could not be fitted.

        Of values as the table has them, so that laws of standardised values are compared with others.
        """
        i = self._place[output]
        rows = self.rows[i]
        if self.trained is not None:  # one fit to all runs: Schwarz's criterion (1978)
            runs, size = len(np.unique(rows.run)), self.trained.vectors.shape[-1]
            sd = float(self.trained.report.residual_sd[i])
            found = -runs * (np.log(max(sd, 1e-9)) + 0.5 * np.log(2.0 * np.pi * np.e)) - 0.5 * size * np.log(runs)
            return np.r_[found, np.full(len(rows.seen) - 1, -np.inf)]
        found = self._log_evidence[i]
        if self.stage.units:
            zero, unit = self.stage.units[i]
            per_row = np.log((zero + unit * rows.y) / unit) if self.stage.name == "loss" else -np.log(unit)
            found = found + (rows.seen * per_row).sum(axis=1)
        return np.asarray(found / np.maximum(rows.seen.sum(axis=1), 1))

    @cached_property
    def _place(self) -> Mapping[str, int]:
        """Where each output stands."""
        return {output: i for i, output in enumerate(self.outputs)}

    @cached_property
    def _log_evidence(self) -> Floats:
        """``(output, origin)``, hyperparameters summed over."""
        assert self.fits is not None
        return np.asarray(logsumexp(self.fits.log_evidence, axis=2))

    def alone(self, output: str) -> NDArray[np.bool_]:
        """``(origin,)`` where no other part forecasts this output, whatever the evidence."""
        return np.zeros(len(self.rows[self._place[output]].seen), bool)

    def present(self) -> Part | None:
        """The part of the outputs that it forecasts now; None if it has none."""
        return self

    def rows_seen(self, output: str) -> NDArray[np.int64]:
        """``(origin,)`` how many rows of an output are seen."""
        return np.asarray(self.rows[self._place[output]].seen.sum(axis=1))

    def draw(self, origin: int, taken: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Params, Floats]:
        """Parameters ``(draw, output, …)`` and noise ``(draw, output)`` of measured values, at one origin.

        Args:
            origin: Which.
            taken: ``(draw, output)`` what a blend takes of this part; the rest is there, but not drawn with care.
            rng: For all of it.
        """
        draws = len(taken)
        if self.trained is not None:
            ties = self.trained.vectors[0] if self.trained.vectors.ndim == 4 else self.trained.vectors
            vectors = ties[np.arange(draws) % len(ties)]
            noise = np.broadcast_to(self.trained.report.residual_sd, (draws, len(self.outputs)))
            return unpack_all(self.law, vectors), np.asarray(noise)
        space = self.stage.residual.space
        assert self.fits is not None
        vectors, noise = sample_outputs(self.law, space, self.rows, self.grid, self.fits, origin, taken, rng)
        if self.stage.units:
            zero, unit = np.array(self.stage.units).T
            typical = np.array([np.mean(zero[i] + unit[i] * r.y) for i, r in enumerate(self.rows)])
            noise = noise * (unit / typical if self.stage.name == "loss" else unit)
        return unpack_all(self.law, vectors), noise

    @property
    def report(self) -> StageFit:
        """How the fits at the most probable hyperparameters ended."""
        if self.trained is not None:
            return self.trained.report
        inner = self.law.law if isinstance(self.law, Discrepancy) else self.law
        assert self.fits is not None
        leaves, best = self.fits, self.fits.log_evidence[:, 0].argmax(axis=1)
        fits = Fits(*(leaf[np.arange(len(best)), 0, best] for leaf in leaves))
        theta, hessian, evidence = fits.theta, fits.hessian, fits.log_evidence
        sound = np.isfinite(evidence)
        status = np.where(sound, np.where(fits.converged, Status.CONVERGED, Status.STEP_LIMIT), Status.ALL_FAILED)
        value = np.linalg.eigvalsh(np.where(sound[:, None, None], hessian, np.eye(hessian.shape[-1])))
        params = jax.tree.map(np.asarray, unpack_all(inner, theta[None]))
        constants = constants_of(inner, {name: v[0] for name, v in params.items()})
        return StageFit(
            law=str(inner),
            outputs=self.outputs,
            status=status.astype(np.int64),
            agree=np.ones(len(best)),
            condition=value[:, -1] / value[:, 0],
            objective=-evidence,
            gradient=fits.gradient,
            residual_sd=self.grid.noise[best],
            start_status=status.astype(np.int64)[:, None],
            constants={
                **constants,
                "discrepancy": self.grid.amplitude[best],
            },
        )


def parts_of(
    methods: Mapping[str, Method],
    runs: Runs,
    origins: Origins,
    key: Array,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[Part], list[Part], list[str], tuple[BoundModel, ...]]:
    """Bind methods, and fit every distinct law and map among them once.

    Returns:
        Laws of losses, maps to scores, why methods were left out, and the bound methods.

    Raises:
        InputError: No method can be bound.
    """
    parts: dict[object, Part] = {}
    reasons: dict[str, list[str]] = {}
    bounds = []
    for name, method in methods.items():
        if progress is not None:
            progress(name)
        try:
            bound = with_discrepancy(method.bind(runs))
            mine = {}
            for stage in bound.stages:
                identity = _identity(stage, bound)
                if identity not in parts:
                    mine[identity] = _part(_half(name, stage, bound), stage, bound, runs, origins, key)
            parts |= mine
            bounds.append(bound)
        except (InputError, FitError) as error:
            reasons.setdefault(str(error), []).append(name)
    left_out = [f"{some_of(n)} {'takes' if len(n) == 1 else 'take'} no part: {why}" for why, n in reasons.items()]
    if not parts:
        raise InputError(
            f"no method can be fitted: {left_out[0]}", where=runs.source, remedy="The others fail likewise"
        )
    laws, maps = ([p for p in parts.values() if p.stage.name == kind] for kind in ("loss", "score"))
    return laws, maps, left_out, tuple(bounds)


def _half(name: str, stage: Stage, bound: BoundModel) -> str:
    """What a method's name says of one stage."""
    first, plus, second = name.partition("+")
    if not plus:
        return name if len(bound.stages) == 1 else f"{name}, {stage.name}"
    return first if stage.name == "loss" else second


def _identity(stage: Stage, bound: BoundModel) -> object:
    """Equal for stages with the same law, outputs, data, and losses that they read."""
    numbers = jax.tree.leaves((stage.x, stage.y, stage.weight))
    arrays = tuple(np.asarray(n).tobytes() for n in numbers)
    through = _through(stage, bound)
    return stage.name, stage.residual, stage.outputs, stage.units, stage.recipe, through, arrays


def _through(stage: Stage, bound: BoundModel) -> tuple[tuple[str, ...], ...]:
    if stage.name == "loss" or not bound.model.domains:
        return ()
    return tuple(tuple(bound.model.domains[i] for i in each) for each in bound.model.via)


def _part(name: str, stage: Stage, bound: BoundModel, runs: Runs, origins: Origins, key: Array) -> Part:
    space = stage.residual.space
    grid = grid_of(space, isinstance(stage.law, Discrepancy) and stage.law.cells > 0)
    rows = tuple(rows_of(stage, i, bound.runs, origins) for i in range(len(stage.outputs)))
    of_loss = stage.name == "loss"
    shift = log_weight(name)
    fits = None
    trained = None
    if stage.recipe is not None:
        counts = np.ones((1, len(bound.runs.names)))
        trained = fit_stage(stage, counts, generator(key, 0), None, SINGLE_STEPS)
    else:
        fits = fit_outputs(stage.law, space, rows, grid, shift)
    ranks = [np.ndim(leaf) for leaf in jax.tree.leaves(stage.x)]
    return Part(
        name,
        stage,
        _through(stage, bound),
        ranks == [2],
        getattr(bound.model, "order", ()) if of_loss else (),
        bound.model.sources if of_loss or not bound.model.domains else (),
        grid,
        rows,
        fits,
        trained,
    )


def renamed(parts: list[Part]) -> list[Part]:
    """The same parts with names that differ: what is told twice says through what."""
    seen: dict[str, int] = {}
    found = []
    for part in parts:
        name = part.name
        own = bool(part.through) and all(t == (o,) for t, o in zip(part.through, part.outputs, strict=True))
        own |= not part.through and part.stage.name == "loss" and name in seen
        name = f"{name}, own loss" if own and not name.endswith("own loss") else name
        seen[name] = seen.get(name, 0) + 1
        found.append(replace(part, name=name if seen[name] == 1 else f"{name} ({seen[name]})"))
    return found
