"""Many small densities sampled side by side: each lane until its own chains agree, and no lane waits for another."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.engine.chains import UNSEEN, Lane, LogDensity, Seen, Watched, Window, march
from flpjax.numerics import compiled, require_x64

Floats = NDArray[np.float64]


class Schedule(NamedTuple):
    """One window of a lane that has not settled before it."""

    thin: int  # transitions from one kept draw to the next
    longest: int  # leapfrog steps of a transition at most
    acceptance: float


WINDOWS = (
    Schedule(1, 10, 0.9),
    Schedule(2, 12, 0.95),
    Schedule(4, 12, 0.95),
    Schedule(8, 16, 0.97),
    Schedule(16, 16, 0.97),
)
"""Each longer and more careful than the one before, whose draws are the warm-up and give the mass matrix."""
PATIENCE = 2  # windows after which a lane must be on its way: R-hat - 1 falls as windows grow longer
BROKEN_SHARE = 0.01  # of draws whose trajectories may break off; none may before that many windows
FIRST_STEP = 0.5  # in standard deviations
CPU_CALL = (
    8  # lanes of one call on a CPU: they stay in its cache, few fill up the last call, and one program serves all
)
CALL, FEW = 4096, 256  # lanes of one call on an accelerator; of one with the few that go on to later windows


class Ended(IntEnum):
    """How a lane ended; :attr:`reason` says what it means."""

    RUNNING = -1
    SETTLED = 0
    NON_FINITE = 1
    APART = 2
    BROKEN = 3
    DROPPED = 4

    @property
    def reason(self) -> str:
        """In words."""
        return _REASON[self]


_REASON = {
    Ended.RUNNING: "was not sampled",
    Ended.SETTLED: "has settled",
    Ended.NON_FINITE: "has no finite density where chains begin",
    Ended.APART: "has chains that do not come together",
    Ended.BROKEN: "has trajectories that break off",
    Ended.DROPPED: "was left, since another of its ladder failed",
}


@dataclass(frozen=True)
class Asked:
    """When a lane has settled.

    Attributes:
        draws: Kept of each chain.
        rhat: What the split R̂ of every quantity must stay below.
        ess: What its effective sample size must exceed.
    """

    draws: int
    rhat: float
    ess: float


@dataclass(frozen=True, eq=False)
class Sampled:
    """Lanes, and what their last windows kept.

    Attributes:
        lanes: Where they stand, leaves ``(problem, …)``.
        seen: Of their last windows, leaves ``(problem, …)``.
        ended: ``(problem,)`` an :class:`Ended`.
        windows: ``(problem,)`` how many each had.
    """

    lanes: Lane
    seen: Seen
    ended: NDArray[np.int64]
    windows: NDArray[np.int64]


def begin(
    centre: Floats, covariance: Floats, starts: Floats, seeds: NDArray[np.uint32], asked: Asked, quantities: int
) -> Sampled:
    """Lanes that have not moved.

    Args:
        centre: ``(problem, p)`` about where each density is.
        covariance: ``(problem, p, p)`` about how it spreads.
        starts: ``(problem, chain, p)``.
        seeds: ``(problem, 2)`` data of JAX random keys: a lane's draws depend on its own, not on its place.
        asked: When a lane has settled.
        quantities: How many must agree.
    """
    require_x64("sampling many posteriors")
    problems, chains, size = starts.shape
    finite = [np.isfinite(v).reshape(problems, -1).all(axis=1) for v in (centre, covariance, starts)]
    sound = np.logical_and.reduce(finite)
    lanes = Lane(
        starts,
        np.full((problems, chains), UNSEEN),
        np.zeros_like(starts),
        centre,
        _roots(np.where(sound[:, None, None], covariance, np.eye(size))),
        np.full(problems, np.log(FIRST_STEP)),
        seeds,
    )
    each = (problems, chains, asked.draws)
    seen = Seen(
        np.full((*each, size), np.nan),
        np.zeros(each),
        np.zeros(each, bool),
        np.zeros((problems, asked.draws), np.int64),
        np.full((problems, quantities), np.nan),
        np.full((problems, quantities), np.nan),
        np.full((problems, size, size), np.nan),
    )
    ended = np.where(sound, Ended.RUNNING, Ended.NON_FINITE)
    return Sampled(lanes, seen, ended, np.zeros(problems, np.int64))


def settle(
    log_density: LogDensity,
    watched: Watched,
    data: Any,
    known: Sampled,
    asked: Asked,
    *,
    most: int = len(WINDOWS),
    progress: Callable[[str], None] | None = None,
) -> Sampled:
    """Window after window, until every lane has settled or is given up.

    All lanes that are left march together: those that have settled make room. Each must settle within :data:`WINDOWS`,
    and one that would not if R̂ − 1 fell as the inverse of a window's length is given up before that, so that it costs
    the others next to nothing.

    Args:
        log_density: What is sampled; static.
        watched: What chains must agree on; static.
        data: Leaves ``(problem, …)``.
        known: Where lanes stand; see :func:`begin`.
        asked: When a lane has settled.
        most: Windows to march before it returns, whatever is left.
        progress: Called with what is done, before it is.
    """
    lanes, seen = (jax.tree.map(np.array, part) for part in (known.lanes, known.seen))
    ended, windows = known.ended.copy(), known.windows.copy()
    for _ in range(most):
        running = np.flatnonzero(ended == Ended.RUNNING)
        if not running.size:
            break
        number = int(windows[running].min())
        index = running[windows[running] == number]
        if progress is not None:
            progress(f"{len(index)} of {len(ended)} posteriors: window {number + 1} of at most {len(WINDOWS)}")
        moved, new = _march_all(log_density, watched, asked.draws, data, lanes, index, number)
        for whole, part in zip((*lanes, *seen), (*moved, *new), strict=True):
            whole[index] = part
        windows[index] += 1
        ended[index] = _judged(new, moved, asked, number)
        sound: NDArray[np.bool_] = np.isfinite(new.covariance).all(axis=(1, 2))
        lanes.centre[index] = np.where(sound[:, None], new.vectors.mean(axis=(1, 2)), moved.centre)
        lanes.root[index] = np.where(sound[:, None, None], _roots(new.covariance), moved.root)
    return Sampled(lanes, seen, ended, windows)


def changed(known: Sampled, again: NDArray[np.bool_], dropped: NDArray[np.bool_]) -> Sampled:
    """The same with other plans for some lanes.

    Args:
        known: Where lanes stand.
        again: ``(problem,)`` settled ones to sample once more, longer.
        dropped: ``(problem,)`` running ones that nobody needs any more.
    """
    more = np.where(known.windows < len(WINDOWS), Ended.RUNNING, Ended.APART)
    ended = np.where(again & (known.ended == Ended.SETTLED), more, known.ended)
    return replace(known, ended=np.where(dropped & (ended == Ended.RUNNING), Ended.DROPPED, ended))


def _judged(new: Seen, moved: Lane, asked: Asked, number: int) -> NDArray[np.int64]:
    """``(lane,)`` an Ended, after a window."""
    rhat = np.where(np.isfinite(new.rhat), new.rhat, np.inf).max(axis=1)
    agree = (rhat < asked.rhat) & (np.where(np.isfinite(new.ess), new.ess, 0.0) > asked.ess).all(axis=1)
    broken = new.diverging.mean(axis=(1, 2)) > (BROKEN_SHARE if number >= PATIENCE else 0.0)
    lost = (moved.energy == UNSEEN).any(axis=1) | ~np.isfinite(new.vectors).all(axis=(1, 2, 3))
    to_come = WINDOWS[number].thin / WINDOWS[-1].thin
    stuck = ((rhat - 1.0) * to_come >= asked.rhat - 1.0) & (number >= PATIENCE)
    last = number + 1 == len(WINDOWS)
    given_up = np.where(broken & (rhat < asked.rhat), Ended.BROKEN, Ended.APART)
    ended = np.where(stuck | last, given_up, Ended.RUNNING)
    return np.where(lost, Ended.NON_FINITE, np.where(agree & ~broken, Ended.SETTLED, ended))


def _march_all(
    log_density: LogDensity,
    watched: Watched,
    draws: int,
    data: Any,
    lanes: Lane,
    index: NDArray[np.int64],
    number: int,
) -> tuple[Lane, Seen]:
    """One window of the lanes ``index``, in calls of few sizes, over all devices of this process."""
    plan = WINDOWS[number]
    window = Window(np.int64(number), np.int64(plan.thin), np.int64(plan.longest), np.float64(plan.acceptance))
    devices = jax.local_devices()
    on_cpu = devices[0].platform == "cpu"
    size = CPU_CALL if on_cpu else (FEW if len(index) <= FEW * len(devices) else CALL)
    parts = [index[at : at + size] for at in range(0, len(index), size)]

    def call(place: int, part: NDArray[np.int64]) -> tuple[Lane, Seen]:
        full = np.concatenate([part, np.repeat(part[:1], size - len(part))])
        own = jax.tree.map(lambda leaf: np.asarray(leaf)[full], (data, lanes))
        sent = jax.device_put((*own, window), devices[place % len(devices)])
        return jax.tree.map(lambda leaf: np.asarray(leaf)[: len(part)], window_of(log_density, watched, draws, *sent))

    threads = min(len(parts), (os.cpu_count() or 1) if on_cpu else len(devices))
    with ThreadPoolExecutor(threads) as pool:
        ran = list(pool.map(call, range(len(parts)), parts))
    moved, new = jax.tree.map(lambda *leaf: np.concatenate(leaf), *ran)
    return moved, new


@partial(compiled, static_argnums=(0, 1, 2))
def window_of(
    log_density: LogDensity, watched: Watched, draws: int, data: Any, lanes: Lane, window: Window
) -> tuple[Lane, Seen]:
    """One window of all lanes of a call."""
    return jax.vmap(lambda d, lane: march(log_density, watched, draws, d, window, lane))(data, lanes)


def _roots(covariance: Floats) -> Floats:
    """Lower triangular square roots ``(problem, p, p)``; of what is no covariance, those of its diagonal."""
    size = covariance.shape[1]
    known = np.nan_to_num(covariance)
    scale = np.sqrt(np.maximum(np.einsum("npp->np", known), 1e-300))
    unit = known / scale[:, :, None] / scale[:, None, :]
    least = np.linalg.eigvalsh(unit)[:, 0]
    unit = np.where((least > 1e-10)[:, None, None], unit, np.eye(size))
    return np.asarray(scale[:, :, None] * np.linalg.cholesky(unit))
