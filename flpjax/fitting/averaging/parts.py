"""One law of losses, or map to scores, fitted at all origins and hyperparameters: its evidence, and its draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.engine.settings import Status
from flpjax.fitting.averaging.evidence import Fits
from flpjax.fitting.averaging.hyperpriors import Grid
from flpjax.fitting.averaging.lanes import constants_of
from flpjax.fitting.averaging.sampling import sample_outputs
from flpjax.fitting.averaging.sheet import Rows, Sheet, stacked
from flpjax.fitting.draws import StageFit, unpack_all
from flpjax.fitting.staged import Fitted
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Params
from flpjax.methods.method import Stage

Floats = NDArray[np.float64]


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
    def _sheet(self) -> Sheet:
        """The rows of all outputs."""
        return stacked(self.law, self.rows)

    @cached_property
    def _log_evidence(self) -> Floats:
        """``(output, origin)``, hyperparameters summed over."""
        assert self.fits is not None
        return np.asarray(np.logaddexp.reduce(self.fits.log_evidence, axis=2))

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
        vectors, noise = sample_outputs(self.law, space, self._sheet, self.grid, self.fits, origin, taken, rng)
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
