"""What a fitted expression leaves in its residuals: trends along what its parameters can't do, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.discovery.folds import by_run
from flpjax.ladder.table import Floats
from flpjax.laws.grammar import Expression, Term
from flpjax.laws.law import Params


@dataclass(frozen=True, eq=False)
class Linearised:
    """A fitted expression at the checkpoints that count, and what small steps of its parameters do there.

    Trends are slopes of the residuals on what the expression lacks, made orthogonal to what it can already do (a score
    test), with standard errors that take the checkpoints of a run for one fact.

    Attributes:
        expression: The formula.
        params: Of the fit.
        loss: ``(row, domain)``.
        predicted: ``(row,)`` scores.
        residual: ``(row,)`` scores that were measured, less those.
        run: ``(row,)`` labels.
    """

    expression: Expression
    params: Params
    loss: Floats
    predicted: Floats
    residual: Floats
    run: NDArray[np.int64]

    @cached_property
    def height(self) -> Floats:
        """``(row,)`` of the logit link, σ(η)."""
        return (self.predicted - self.expression.chance) / self._range

    @cached_property
    def bend(self) -> Floats:
        """``(row, 1)`` by how much the score rises with the sum."""
        rise = np.ones(len(self.residual))
        if self.expression.link == "exponential":
            rise = self.predicted - self.expression.chance - float(self.params["floor"])
        elif self.expression.link == "logit":
            rise = self._range * self.height * (1.0 - self.height)
        return rise[:, None]

    @cached_property
    def jacobian(self) -> Floats:
        """``(row, p)``: constant, slopes, and what the link leaves free."""
        ones = np.ones((len(self.residual), 1))
        columns = np.hstack([ones, self.expression.features(self.loss)]) * self.bend
        if not self.expression.free:
            return columns
        return np.hstack([columns, self.height[:, None] if self.expression.link == "logit" else ones])

    @property
    def residual_sd(self) -> float:
        """With the parameters counted off, a fraction."""
        rows, used = self.jacobian.shape
        return float(np.sqrt((self.residual**2).sum() / max(rows - used, 1)))

    def trends(self, terms: tuple[Term, ...]) -> list[tuple[float, float]]:
        """:meth:`along` each of these terms, which are not there."""
        return [self.along(c) for c in (replace(self.expression, terms=terms).features(self.loss) * self.bend).T]

    def along(self, column: Floats) -> tuple[float, float]:
        """Points of score per s.d. of a feature ``(row,)``, and t; ``(0, 0)`` if the parameters can do all it can."""
        basis, upper = np.linalg.qr(self.jacobian / np.linalg.norm(self.jacobian, axis=0).clip(1e-12))
        basis = basis[:, abs(np.diag(upper)) > 1e-6]
        new = column - basis @ (basis.T @ column)
        square = float(new @ new)
        if square <= 1e-6 * float(column @ column) or square == 0.0:
            return 0.0, 0.0
        slope = float(new @ self.residual) / square
        error = float(np.linalg.norm(by_run(new * (self.residual - slope * new), self.run))) / square
        return 100.0 * slope * float(np.sqrt(square / len(new))), slope / error if error > 0 else 0.0

    def covariance(self) -> Floats:
        """Of the slopes, ``(term, term)``, by the sandwich with runs as units."""
        sums = by_run(self.jacobian * self.residual[:, None], self.run)
        bread = np.linalg.pinv(self.jacobian.T @ self.jacobian, rcond=1e-10, hermitian=True)
        slopes = slice(1, 1 + len(self.expression.terms))
        return (bread @ sums.T @ sums @ bread)[slopes, slopes]

    @cached_property
    def _range(self) -> float:
        """Of the logit link, from chance to the ceiling."""
        return float(self.expression.constants(self.params)["ceiling"]) - self.expression.chance
