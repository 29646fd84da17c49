"""A batch of posteriors on the way from modes to draws: sampled, put together ladder by ladder, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from zlib import crc32

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.many_chains import WINDOWS, Asked, Ended, Sampled, changed
from flpjax.errors import FlpjaxError
from flpjax.fitting.diagnostics import ESS, RHAT
from flpjax.fitting.draws import Draws, StageFit
from flpjax.fitting.posterior.assemble import Found, assemble
from flpjax.fitting.posterior.posterior import PROPOSALS
from flpjax.fitting.posterior.priors import PosteriorProblem
from flpjax.fitting.posterior.stacked import Bound, Place
from flpjax.fitting.posterior.together import (
    Prepared,
    begin_chains,
    draw_fast,
    in_threads,
    march_on,
    unsettled,
)
from flpjax.numerics import on_device

REMEDY = "Narrow the priors (priors=), or take a form with fewer parameters"


@dataclass(frozen=True, eq=False)
class Batch:
    """All ladders, on the way from modes to draws."""

    bound: Sequence[Bound]
    problems: Sequence[PosteriorProblem]
    prepared: Sequence[Prepared]
    chains: int
    each: int  # draws of a chain
    key: Array
    tell: Callable[[str], None]

    def sampled(self, asked: Asked) -> dict[str, Draws | str]:
        """Draws by name, or why there are none.

        Window after window: what has settled is put together while the rest goes on. A ladder whose forecasts have not
        converged goes on, too, longer; one of which a lane is given up is named, and the rest of it is left.
        """
        found: dict[int, Draws | str] = {}
        waiting = set(range(len(self.bound)))
        states = [begin_chains(p, self.bound, self.chains, asked, self.key) for p in self.prepared]
        with ThreadPoolExecutor(len(states)) as pool:
            while waiting:
                found |= {i: f"{why}. {REMEDY}" for i in waiting if (why := self._given_up(i, states))}
                lost = dict.fromkeys(waiting & set(found))
                states = [
                    changed(s, self._of({}, p), self._of(lost, p)) for s, p in zip(states, self.prepared, strict=True)
                ]
                waiting -= set(lost)
                ready = sorted(i for i in waiting if not self._running(i, states))
                now = states
                marching = [
                    pool.submit(march_on, p, s, asked, self.tell) for p, s in zip(self.prepared, now, strict=True)
                ]
                drawn = dict(zip(ready, in_threads(lambda i: self._drawn(i, now), ready), strict=True))  # noqa: B023
                short = {i: _short(d) if isinstance(d, Draws) else set() for i, d in drawn.items()}
                again = {i: outputs for i, outputs in short.items() if outputs}
                states = [
                    changed(future.result(), self._of(again, p), self._of({}, p))
                    for future, p in zip(marching, self.prepared, strict=True)
                ]
                found |= {i: d for i, d in drawn.items() if i not in again}
                waiting -= set(found)
        return {self.bound[i].name: result for i, result in sorted(found.items())}

    def _given_up(self, i: int, states: Sequence[Sampled]) -> str:
        """Why a ladder has failed; empty if it has not, so far."""
        reasons = (unsettled(state, place, self.bound[i]) for _, state, place in self._places(i, states))
        return next((why for why in reasons if why), "")

    def _running(self, i: int, states: Sequence[Sampled]) -> bool:
        """Whether a lane of a ladder has not ended."""
        own = (s.ended[place.first : place.first + place.outputs] for _, s, place in self._places(i, states))
        return any((ended == Ended.RUNNING).any() for ended in own)

    def _places(self, i: int, states: Sequence[Sampled]) -> Iterator[tuple[Prepared, Sampled, Place]]:
        """Where a ladder's stages are."""
        for prepared, state in zip(self.prepared, states, strict=True):
            for place in prepared.stack.places:
                if place.ladder == i:
                    yield prepared, state, place

    def fast(self) -> dict[str, Draws | str]:
        """The same by the fast path."""
        most = [max(place.outputs for place in p.stack.places) for p in self.prepared]
        total = self.each * self.chains
        jobs = [(p, place, m) for p, m in zip(self.prepared, most, strict=True) for place in p.stack.places]
        self.tell(f"{total} draws of each")
        ran = in_threads(
            lambda job: draw_fast(
                job[0], job[1], self.bound[job[1].ladder], job[2], total, PROPOSALS * total, self.key
            ),
            jobs,
        )
        by_stage = {(job[1].ladder, job[1].stage): result for job, result in zip(jobs, ran, strict=True)}

        def assembled(i: int) -> Draws | str:
            khat: dict[str, float] = {}
            worth: dict[str, float] = {}
            vectors = []
            for s, stage in enumerate(self.bound[i].bound.stages):
                vector, *known = by_stage[i, s]
                vectors.append(on_device(vector))
                for by_output, values in zip((khat, worth), known, strict=True):
                    by_output |= {f"{stage.name} '{o}'": float(v) for o, v in zip(stage.outputs, values, strict=True)}
            shape = (self.chains, self.each)
            nothing = np.zeros(shape, bool), np.zeros(shape, np.int64), 1, np.ones(shape)
            return self._assembled(i, Found(tuple(vectors), *nothing, khat, worth), "laplace")

        found = in_threads(assembled, range(len(self.bound)))
        return {ladder.name: result for ladder, result in zip(self.bound, found, strict=True)}

    def _drawn(self, i: int, states: Sequence[Sampled]) -> Draws | str:
        """Of chains."""
        vectors: dict[int, Array] = {}
        diverging, steps, acceptance = (
            np.zeros((self.chains, self.each), bool),
            np.zeros((self.chains, self.each), np.int64),
            [],
        )
        for _, state, place in self._places(i, states):
            own = slice(place.first, place.first + place.outputs)
            chain_by_chain = np.moveaxis(np.asarray(state.seen.vectors)[own], 0, 2)  # (chain, draw, output, p)
            vectors[place.stage] = on_device(chain_by_chain.reshape(-1, *chain_by_chain.shape[2:]))
            diverging |= state.seen.diverging[own].any(axis=0)
            steps = np.maximum(steps, state.seen.steps[own].max(axis=0))
            acceptance.append(state.seen.acceptance[own].mean(axis=0))
        longest = max(w.longest * w.thin for w in WINDOWS)
        ordered = tuple(vectors[s] for s in range(len(vectors)))
        return self._assembled(i, Found(ordered, diverging, steps, longest, np.mean(acceptance, axis=0), {}, {}), "hmc")

    def _assembled(self, i: int, found: Found, method: str) -> Draws | str:
        problem, ladder = self.problems[i], self.bound[i]
        fits: dict[str, StageFit] = {}
        gradient: dict[str, float] = {}
        for p in self.prepared:
            for place in p.stack.places:
                if place.ladder == i:
                    stage = ladder.bound.stages[place.stage]
                    fits[stage.name] = p.fit_of(place, ladder)
                    slopes = p.gradient[place.first : place.first + place.outputs]
                    gradient |= {f"{stage.name} '{o}'": float(g) for o, g in zip(stage.outputs, slopes, strict=True)}
        key = jax.random.fold_in(self.key, crc32(ladder.name.encode()))
        try:
            return assemble(problem, found, fits, gradient, method, self.chains, key, strict=method == "laplace")
        except FlpjaxError as error:
            return str(error)

    def _of(self, which: Mapping[int, set[tuple[str, str]] | None], prepared: Prepared) -> NDArray[np.bool_]:
        """``(output,)`` whether it is one of these ladders', and of these stages and outputs of it; None is all."""
        stack = prepared.stack
        flags = np.zeros(len(stack.stage.outputs), bool)
        for place in stack.places:
            own = which.get(place.ladder, set())
            for o in range(place.first, place.first + place.outputs):
                flags[o] = own is None or (stack.layer.stage, stack.stage.outputs[o]) in own
        return flags


def _short(draws: Draws) -> set[tuple[str, str]]:
    """Stages and outputs whose draws have to go on, since a forecast from them has not converged."""
    model, known = draws.model, draws.sampling
    if known is None:
        return set()
    rhat, ess = known.forecasts
    bad = np.asarray(~((rhat < RHAT) & (ess > ESS)).all(axis=0))  # NaN is bad
    found: set[tuple[str, str]] = set()
    for flag, name in zip(
        bad, [*(("loss", d) for d in model.domains), *(("score", t) for t in model.tasks)], strict=True
    ):
        if flag:
            through = model.via[model.tasks.index(name[1])] if name[0] == "score" and model.via else ()
            found |= {name, *(("loss", model.domains[i]) for i in through)}
    return found
