"""Tasks at chance: the map that takes off beyond the ladder, drawn from what tasks of other ladders did.

Scores at chance tell the level and the noise, and that the task has not left chance yet; when it will, and how steeply,
they don't. Both are drawn from :data:`flpjax.fitting.averaging.hyperpriors.TAKE_OFF`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flpjax.engine.settings import Status
from flpjax.fitting.averaging.hyperpriors import OF, TAKE_OFF, Wait, grid_of
from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.averaging.parts import Part
from flpjax.fitting.draws import StageFit, unpack_all
from flpjax.fitting.even import even_levels, even_normal
from flpjax.ladder.at_chance import tasks_at_chance
from flpjax.ladder.table import Runs
from flpjax.laws.law import Params
from flpjax.laws.residual import Residual
from flpjax.laws.take_off import TakeOff
from flpjax.methods.method import Stage

NAME = "take-off"
NOISES = np.geomspace(5e-4, 0.2, 41)  # s.d. of one run's score: half a point in a thousand questions, to all there is

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class TakeOffPart(Part):
    """The map of tasks that are at chance, at some origin.

    Attributes:
        at_chance: ``(origin, task)`` where it is the only map.
        edge: ``(origin, task)`` how far those runs reach: −log L, or log C.
        score: ``(run, task)`` final scores.
        seen: ``(origin, run)``.
        wait: What other ladders' tasks did.
    """

    at_chance: NDArray[np.bool_]
    edge: Floats
    score: Floats
    seen: NDArray[np.bool_]
    wait: Wait

    def alone(self, output: str) -> NDArray[np.bool_]:
        """``(origin,)`` where no other map is asked."""
        return np.asarray(self.at_chance[:, self.outputs.index(output)])

    def draw(self, origin: int, taken: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Params, Floats]:
        """Parameters ``(draw, task, …)`` and noise ``(draw, task)`` of measured values, at one origin."""
        draws = len(taken)
        vectors, noises = [], []
        for i in range(len(self.outputs)):
            score = self.score[self.seen[origin], i]
            level, noise = _level(score[np.isfinite(score)], draws, rng)
            wait = self.wait.distance(even_levels(draws, rng))
            rise = np.log(self.wait.rise_median) + self.wait.rise_sd * even_normal(draws, rng)
            vectors.append(np.stack([level, self.edge[origin, i] + wait, rise], axis=1))
            noises.append(noise)
        return unpack_all(self.law, np.stack(vectors, axis=1)), np.stack(noises, axis=1)

    def present(self) -> TakeOffPart | None:
        """The part of the tasks that are at chance in the fit to all runs."""
        keep = np.flatnonzero(self.at_chance[0])
        if not len(keep):
            return None
        outputs = tuple(self.outputs[i] for i in keep)
        stage = replace(self.stage, outputs=outputs, y=self.stage.y[keep], weight=self.stage.weight[keep])
        return replace(
            self,
            stage=stage,
            through=tuple(self.through[i] for i in keep) if self.through else (),
            at_chance=self.at_chance[:, keep],
            edge=self.edge[:, keep],
            score=self.score[:, keep],
        )

    @property
    def report(self) -> StageFit:
        """Levels, and medians of the rest; nothing was searched for."""
        score = np.where(self.seen[0][:, None], self.score, np.nan)
        count = len(self.outputs)
        zero, one = np.zeros(count), np.ones(count)
        law = self.law
        assert isinstance(law, TakeOff)
        onset = self.edge[0] + self.wait.distance(np.array(0.5))
        return StageFit(
            law=str(law),
            outputs=self.outputs,
            status=np.full(count, int(Status.CONVERGED), np.int64),
            agree=one,
            condition=one,
            objective=zero,
            gradient=zero,
            residual_sd=np.nanstd(score, axis=0, ddof=1),
            start_status=np.full((count, 1), int(Status.CONVERGED), np.int64),
            constants={
                "level": np.nanmean(score, axis=0),
                "onset": onset if law.of_compute else np.exp(-onset),
                "rise": one * self.wait.rise_median,
            },
        )


def _level(score: Floats, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """``(draw,)`` the level of scores ``(run,)``, whose prior is flat, and the s.d. by which one scatters about it."""
    median, sd = OF["linear"].noise_prior
    square = ((score - score.mean()) ** 2).sum()
    log_weight = (
        -0.5 * square / NOISES**2 - (len(score) - 1) * np.log(NOISES) - 0.5 * (np.log(NOISES / median) / sd) ** 2
    )
    share = np.cumsum(np.exp(log_weight - np.logaddexp.reduce(log_weight)))
    noise = NOISES[np.minimum(np.searchsorted(share, even_levels(draws, rng)), len(NOISES) - 1)]
    return score.mean() + noise / np.sqrt(len(score)) * rng.standard_normal(draws), noise


def take_off_part(runs: Runs, origins: Origins, domains: Sequence[str]) -> TakeOffPart | None:
    """The map of the tasks that are at chance, now or at an earlier origin; None if there are none.

    Args:
        runs: The runs that a fit may see.
        origins: Which of them are seen from where.
        domains: The losses that may tell how far runs reach, the first that is measured; () of compute.
    """
    finals = runs.finals()
    run = np.array([runs.names.index(finals.names[r]) for r in finals.run], np.intp)
    wide = finals.with_average() if any(d not in finals.domains for d in domains) else finals
    columns = {d: -np.log(wide.loss_of(d)) for d in domains}
    domain = next((d for d, z in columns.items() if np.isfinite(z).any()), "")
    if domains and not domain:
        return None
    along = columns[domain] if domain else np.log(finals.flops)
    law = TakeOff(of_compute=not domain)
    seen = origins.train_mask[:, run] & np.isfinite(along)
    each = [tasks_at_chance(finals.rows(mask)) if mask.any() else frozenset() for mask in seen]
    tasks = tuple(t for t in runs.task_names if any(t in names for names in each))
    if not tasks:
        return None
    score = np.stack([finals.score_of(t) for t in tasks], axis=1)
    known = np.isfinite(score)
    edge = np.where(seen[:, :, None] & known[None], along[None, :, None], -np.inf).max(axis=1)
    weight = (known & seen[0][:, None]).T.astype(float)
    stage = Stage(
        "score", Residual(law, "linear"), tasks, along, np.where(weight > 0, score.T, 0.5), weight, run.astype(np.int64)
    )
    return TakeOffPart(
        NAME, stage, ((domain,),) * len(tasks) if domain else (), True, (), (), grid_of("linear", False), (), None,
        at_chance=np.array([[t in names for t in tasks] for names in each]),
        edge=np.where(np.isfinite(edge), edge, 0.0),
        score=score,
        seen=seen,
        wait=TAKE_OFF["compute" if law.of_compute else "loss"],
    )  # fmt: skip
