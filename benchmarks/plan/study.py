"""One task of ScaleBench: rows bought with 1, 5 and 10 % of the cost, laws fitted to them, costly rows forecast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.laws.shipped import features_of, law_of
from benchmarks.laws.tasks import TASKS, Task, r_squared
from benchmarks.plan.beliefs import Floats, Points, before
from benchmarks.plan.fits import found_fits, law_fits
from benchmarks.plan.splits import Split, split_of
from benchmarks.plan.weighed import Rule, Weighed, after, median_of, weighed
from flpjax.fitting.lawsearch.found import FoundLaws
from flpjax.fitting.lawsearch.proposer import propose
from flpjax.fitting.lawsearch.search import discover_law
from flpjax.fitting.lawsearch.structure import Axis, Structure
from flpjax.laws.law import Law
from flpjax.numerics import generator
from flpjax.results.selection.choice import choose

SHARES = (1, 5, 10)  # of the cost of all training rows, %
SHARES_OF = {"domain_mixture": (20, 35, 50)}
SIGNED = ("vocab",)  # losses normalised by unigrams: negative by their definition
FIRST, NEXT = 16, 32  # runs of the first plan, and of each later one
FEW = 200  # measurements of candidates: of more, runs are not taken back
ROUNDS, LATER = 4, 3  # of the first search, and of later ones, which begin with what was found
ROWS_A_NUMBER = (
    2  # of a law that is searched: fewer rows don't determine it (as `flpjax.laws.law.determined_by` has it)
)
MOST_NUMBERS = 16  # of a law that is searched: rows are few
FEWEST = 8  # rows that laws are fitted to
LEAST = -1.0  # R² below it counts as this, as in the published table: one lost extrapolation must not decide a mean
RULES: tuple[Rule, ...] = ("evidence", "hold-outs", "both")


class Study(NamedTuple):
    """A task and how it is studied.

    Attributes:
        task: Its name.
        random: Whether rows are bought in random order.
        seed: Of draws and starts.
        rule: How laws are weighed on whose word rows are chosen.
        plans: Plans that the first share is spent by: each after the first sees what the ones before it bought, and
            the first of two, which knows the priors only, has a quarter.
        inside: Whether the task is a split of the training rows.
    """

    task: str
    random: bool
    seed: int
    rule: Rule = "both"
    plans: int = 2
    inside: bool = False


class Laws(NamedTuple):
    """What is believed after some rows are bought."""

    found: FoundLaws
    weighed: dict[Rule, list[Weighed]]
    points: Points


class Shipped(NamedTuple):
    """Laws that ship, centred on all rows, so that each is one program however many are bought."""

    laws: tuple[Law, ...]
    x: Any


def one(study: Study) -> tuple[Study, dict[str, Any]]:
    """All shares of one task, one after another."""
    jax.config.update("jax_enable_x64", True)
    task = TASKS[study.task]
    split = split_of(task, study.task in SIGNED, study.inside)
    rng = generator(jax.random.key(study.seed), 1)
    measured = np.stack([split.wanted[t] for t in task.targets], axis=1)
    paid: list[int] = []
    laws: Laws | None = None
    shipped: Shipped | None = None
    r2: dict[str, list[float]] = {rule: [] for rule in RULES}
    rows, select, fit = [], [], []
    for share in SHARES_OF.get(study.task, SHARES):
        plans = study.plans if laws is None and not study.random else 1
        spent = 0.0
        begun = time.process_time()
        for plan in range(plans):
            rest = 0.01 * share * split.cost.sum() * ((plan + 1) / plans) ** 2 - split.cost[paid].sum()
            start = time.process_time()
            paid += (
                _random(paid, split.cost, rest, rng) if study.random else _chosen(split, paid, laws, study, rest, rng)
            )
            spent += time.process_time() - start
            if len(paid) < FEWEST and plan + 1 < plans:
                continue
            if len(paid) < FEWEST:
                raise RuntimeError(f"{study}: {share} % of the cost pay for {len(paid)} rows")
            shipped = shipped or _shipped(task, split, paid)
            laws = _fitted(task, split, shipped, paid, laws, study, rng)
        assert laws is not None
        for rule in RULES:
            forecast = median_of(laws.weighed[rule])
            ahead = forecast[:, split.points.candidates :].T
            r2[rule].append(max(r_squared(ahead if study.task in SIGNED else np.exp(ahead), measured), LEAST))
        rows.append(len(paid))
        select.append(spent)
        fit.append(time.process_time() - begun - spent)
    return study, {"r2": r2, "rows": rows, "select_seconds": select, "fit_seconds": fit}


def _fitted(
    task: Task, split: Split, shipped: Shipped, paid: list[int], before: Laws | None, study: Study,
    rng: np.random.Generator,
) -> Laws:  # fmt: skip
    """Laws that ship, and laws searched among those that so many rows determine, from what was found before on."""
    names = split.points.names
    own = {n: split.offered[n][paid] for n in (*names, *task.targets)}
    largest = min(len(paid) // ROWS_A_NUMBER, MOST_NUMBERS)
    known = [] if before is None else [m.structure for m in before.found.members]
    same = None if before is None else [(a.name, a.logarithm) for a in before.found.problem.axes]

    def proposed(best: Sequence[Structure], axes: Sequence[Axis], signed: bool) -> list[Structure]:
        begun = known if not best and same == [(a.name, a.logarithm) for a in axes] else ()
        asked = {s.same(): s for s in (*propose(best, axes, signed), *begun)}
        return [s for s in asked.values() if s.size <= largest]

    found = discover_law(
        own, task.targets, jax.random.key(study.seed), features=names, cost=None if split.free else split.cost[paid],
        towards={n: split.wanted[n] for n in names}, rounds=ROUNDS if before is None else LATER, proposer=proposed,
    )  # fmt: skip
    points = split.points.seen_by(found.problem.axes)
    fits = [law_fits(law, shipped.x, found.problem, paid, rng) for law in shipped.laws]  # priors hold their numbers
    return Laws(found, weighed(found_fits(found, points, rng) + fits, found.problem, points, paid, rng), points)


def _shipped(task: Task, split: Split, paid: list[int]) -> Shipped:
    """Laws of a task that ship, their priors in the unit of the losses that were measured first."""
    if not task.laws:
        return Shipped((), None)
    x = features_of(task, split.features)
    y = np.asarray(split.offered[task.targets[0]][paid], float)
    return Shipped(tuple(law_of(name, x, y) for name in task.laws), x)


def _chosen(
    split: Split, paid: list[int], laws: Laws | None, study: Study, rest: float, rng: np.random.Generator
) -> list[int]:
    """The next plan."""
    if laws is None:
        joint = before(split.points, rng)
    else:
        joint = after(laws.weighed[study.rule], laws.found.problem, laws.points, paid)
    # reruns can't be told apart before they are paid for: in the order of a file, the first may be its best
    free = rng.permutation(np.setdiff1d(np.arange(split.points.candidates), paid))
    joint = joint._replace(candidates=joint.candidates[:, free], noise=joint.noise[free])
    most = NEXT if paid else FIRST
    exchange = len(free) * split.points.outputs <= FEW
    choice = choose(joint, split.cost[free], rest, most=most, least=0.0, exchange=exchange)
    return [int(i) for i in free[choice.order]]


def _random(paid: list[int], cost: Floats, rest: float, rng: np.random.Generator) -> list[int]:
    """Rows in random order, as far as each can still be paid."""
    taken = []
    for i in rng.permutation(np.setdiff1d(np.arange(len(cost)), paid)):
        if cost[i] <= rest:
            taken.append(int(i))
            rest -= float(cost[i])
    return taken
