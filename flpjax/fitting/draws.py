"""Draws: parameters with a leading draw axis, and where they came from. Everything downstream takes these."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flpjax.engine.settings import Status
from flpjax.errors import InputError, check_count, count, shown
from flpjax.fitting.diagnostics import Diagnostic, Sampling
from flpjax.fitting.predicted import predict
from flpjax.fitting.summary import LadderSummary as LadderSummary
from flpjax.fitting.validation import NOT_VALIDATED, RollingValidation
from flpjax.ladder.features import Features
from flpjax.laws.law import Law, Params
from flpjax.methods.method import BoundModel, Model, Prediction, StageName, StageParams
from flpjax.numerics import on_device

MOST_DRAWS = 100_000
"""The Monte Carlo error of a 90 % interval's bounds is then .7 % of a standard deviation."""
MOST_NUMBERS = 10_000_000
"""What all draws together may hold of runs, or of outputs; a bootstrap's candidates take 3 GB then."""


def most_draws(width: int) -> int:
    """How many draws memory holds, each of ``width`` numbers while it is made."""
    return min(MOST_DRAWS, MOST_NUMBERS // max(width, 1))


NO_POINT = "; a blend has no point fit"


def refuse_unfitted(draws: Any) -> None:
    """Refuse what is no fit, such as a table that was given in place of one.

    Raises:
        InputError: It is something else than draws.
    """
    if not isinstance(draws, Draws):
        path = isinstance(draws, str | os.PathLike)
        raise InputError(
            f"{shown(draws) if path else f'an object of type {type(draws).__name__}'} is no fit",
            remedy="Fit a ladder first, flpjax.fit('auto', 'ladder.csv', jax.random.key(0)); or ask the ladder itself, "
            "flpjax.Ladder('ladder.csv').forecast('N=7e9,D=4e12')",
        )


def check_draw_count(draws: int, least: int = 0, where: str = "", width: int = 1, why: str = "") -> None:
    """Refuse what is no number of draws, and more of them than memory holds, before any is made.

    Args:
        draws: The number.
        least: The fewest there can be.
        where: What makes them.
        width: How many numbers each holds while it is made.
        why: As of :func:`flpjax.errors.check_count`.

    Raises:
        InputError: There are too many, or it is no number of them.
    """
    check_count(draws, "draws", least, where=where, why=why)
    most = most_draws(width)
    if draws > most:
        raise InputError(f"{draws:,} draws are more than memory holds", where=where, remedy=f"Ask for {most:,} at most")


Kind = Literal["point", "tied", "bootstrap", "posterior", "blend"]
WITHOUT_INTERVALS: dict[Kind, str] = {
    "point": "this is a point fit: it has no intervals",
    "tied": "medians are of fits that tie on the ladder: there are no intervals, which would say what other runs "
    "change",
}

LOST = 0.05
"""Share of draws without a value above which there is no interval: those that fail are not like those that don't."""
RESAMPLES_LOST = 0.25
"""The same of a bootstrap, whose resamples that took too few runs for a fit are passed over; a warning says so."""


@dataclass(frozen=True, eq=False)
class StageFit:
    """How the point fit of one stage ended.

    Attributes:
        law: The formula, with its static configuration.
        outputs: ``(output,)`` domains or tasks.
        status: ``(output,)`` a Status.
        agree: ``(output,)`` share of starts that found the same optimum.
        condition: ``(output,)`` condition number of the scaled Hessian; beyond 1e8 the data leave a direction open.
        objective: ``(output,)`` the sum of losses at the optimum.
        gradient: ``(output,)`` length of its gradient there, in unconstrained parameters.
        residual_sd: ``(output,)`` standard deviation of the residuals, with the parameters counted off: of losses
            relative, of scores, and losses that may be negative, absolute.
        start_status: ``(output, start)`` how every start ended.
        constants: The paper's symbols → ``(output,)``.
    """

    law: str
    outputs: tuple[str, ...]
    status: NDArray[np.int64]
    agree: NDArray[np.float64]
    condition: NDArray[np.float64]
    objective: NDArray[np.float64]
    gradient: NDArray[np.float64]
    residual_sd: NDArray[np.float64]
    start_status: NDArray[np.int64]
    constants: dict[str, NDArray[np.float64]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: the law, and for each output its constants and how its fit ended; null is not finite."""

        def number(value: Any) -> float | None:
            return float(value) if np.isfinite(value) else None

        outputs = {
            output: {
                "constants": {name: number(value[i]) for name, value in self.constants.items()},
                "status": Status(int(self.status[i])).name.lower(),
                "starts_agree": number(self.agree[i]),
                "objective": number(self.objective[i]),
                "gradient": number(self.gradient[i]),
                "condition": number(self.condition[i]),
                "residual_sd": number(self.residual_sd[i]),
            }
            for i, output in enumerate(self.outputs)
        }
        return {"form": self.law, "outputs": outputs}


@dataclass(frozen=True, eq=False)
class Draws:
    """Parameters of a bound method, many times over.

    Attributes:
        model: The method bound to the ladder.
        params: Stage → parameter → ``(draw, output, …)``. NaN where a draw's fit failed: its forecasts are left out of
            every interval, and counted.
        kind: Where they came from, for people to read; code asks :attr:`has_intervals` and the like.
        fits: Stage → how its point fit ended.
        ladder: The runs it was fitted on, in brief.
        warnings: What the user should know.
        fitted_noise: The noise of measured values where it was inferred with the parameters, as :attr:`noise` has it;
            None takes the residuals of the point fits.
        validation: How a blend would have forecast the ladder's own larger runs; None of other kinds.
        sampling: How a posterior was sampled; None of other kinds.
    """

    model: Model
    params: StageParams
    kind: Kind
    fits: dict[str, StageFit]
    ladder: LadderSummary
    warnings: tuple[str, ...] = ()
    fitted_noise: Prediction | None = None
    validation: RollingValidation | None = None
    sampling: Sampling | None = None

    def __len__(self) -> int:
        return len(next(iter(next(iter(self.params.values())).values())))

    @property
    def has_intervals(self) -> bool:
        """Whether quantiles of the draws are intervals; of one fit, or of fits that tie on the ladder, they are not."""
        return not self.why_no_intervals and len(self) > 1

    @property
    def why_no_intervals(self) -> str:
        """Why draws of this kind have no intervals, however many there are; empty if they have."""
        return WITHOUT_INTERVALS.get(self.kind, "")

    @property
    def takes_scatter_as_known(self) -> bool:
        """Whether the draws ignore how uncertain a scatter is that few runs show, as resamples of runs do."""
        return self.kind == "bootstrap"

    @property
    def needs_every_fit(self) -> bool:
        """Whether an output is lost whose point fit fails; a blend goes on with its other methods."""
        return self.validation is None

    @property
    def noise(self) -> Prediction:
        """Standard deviations of what one measured value departs from the model by.

        Of log losses ``(draw, domain)``, or losses where they may be negative; of scores ``(draw, task)``. 0 of draws
        without intervals.
        """
        if self.fitted_noise is not None:
            return self.fitted_noise

        def of_fits(stage: StageName, names: tuple[str, ...]) -> Any:
            known = stage in self.fits and not self.why_no_intervals
            return np.broadcast_to(self.fits[stage].residual_sd if known else 0.0, (len(self), len(names)))

        return Prediction(of_fits("loss", self.model.domains), of_fits("score", self.model.tasks))

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What says whether the draws can be used: of the sampling, if there was one; last, of rolling validation."""
        sampled = () if self.sampling is None else self.sampling.diagnostics()
        return (*sampled, *((NOT_VALIDATED,) if self.validation is None else self.validation.diagnostics()))

    @property
    def loss_routes(self) -> tuple[int, ...]:
        """The domains that scores are a function of; of a blend, whose methods differ in it, the one that most take."""
        through = sorted({i for task in self.model.via for i in task})
        if not through and self.validation is not None and self.model.tasks:
            through = [0]
        return tuple(through[: len(self.model.domains)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them to a file that :func:`flpjax.load` reads back bit by bit.

        The file is a zip archive of JSON and NumPy arrays with checksums; it holds no program, and no runs of the
        ladder but what draws themselves know of it.

        Args:
            path: The file, say ``draws.flp``; it is replaced if it is there.

        Raises:
            InputError: A law can't be saved, since it is a function of your program; or the file can't be written.
        """
        from flpjax.fitting.saved.files import save

        save("draws", self, path)

    def expected(self, compute: Features) -> Prediction:
        """Losses ``(draw, target, domain)`` and scores ``(draw, target, task)``, without a measurement's noise.

        Args:
            compute: Of the targets, leaves ``(target, …)``.
        """
        return predict(self.model, self.params, compute)

    @property
    def intervals(self) -> bool:
        """The old name of :attr:`has_intervals`."""
        warnings.warn("Draws.intervals is now Draws.has_intervals", DeprecationWarning, stacklevel=2)
        return self.has_intervals

    @property
    def past(self) -> RollingValidation | None:
        """The old name of :attr:`validation`."""
        warnings.warn("Draws.past is now Draws.validation", DeprecationWarning, stacklevel=2)
        return self.validation

    @property
    def most_lost(self) -> float:
        """Share of the draws that may lack a value of an output which still has an interval."""
        return RESAMPLES_LOST if self.kind == "bootstrap" else LOST

    def __str__(self) -> str:
        lines = [f"{count(len(self), f'{self.kind} draw')} of {type(self.model).__name__} on {self.ladder.source}"]
        for name, fit in self.fits.items():
            lines.append(f"  {name}: {fit.law}")
            for i, output in enumerate(fit.outputs):
                constants = ", ".join(f"{k} {v[i]:.4g}" for k, v in fit.constants.items())
                lines.append(
                    f"    {output}: {constants}; {Status(int(fit.status[i])).name.lower()}, "
                    f"{fit.agree[i]:.0%} of starts agree, condition {fit.condition[i]:.2g}"
                )
        if self.sampling is not None:
            lines.append(f"  {self.sampling}")
        return "\n".join(lines)


def make_draws(
    bound: BoundModel,
    vectors: dict[str, NDArray[np.float64]],
    kind: Kind,
    fits: dict[str, StageFit],
    warnings: tuple[str, ...],
) -> Draws:
    """Draws from unconstrained vectors, stage → ``(draw, output, p)``."""
    params: StageParams = {stage.name: unpack_all(stage.law, vectors[stage.name]) for stage in bound.stages}
    ladder = LadderSummary.of(bound.runs, bound.stages)
    return Draws(bound.model, params, kind, fits, ladder, (*ladder.remarks, *warnings))


def unpack_all(law: Law, vectors: ArrayLike) -> Params:
    """Unconstrained ``(draw, output, p)`` → parameter → ``(draw, output, …)``; on the host, which compiles nothing."""
    values, params, at = np.asarray(vectors), {}, 0
    for name, parameter in law.parameters().items():
        count = int(np.prod(parameter.shape))
        free = values[..., at : at + count].reshape(*values.shape[:-1], *parameter.shape)
        params[name] = on_device(parameter.inside(free))
        at += count
    return params
