"""Which run next, on ScaleBench: R² on the costly region after 1, 5 and 10 % of the cost, beside random and published.

Selection sees features and costs of all training rows, the features of the test rows as its target region, and losses
of the rows that it paid for. A first plan of 16 runs is made on simple laws from their priors, each later one of 32 on
what laws believe that were fitted to the rows paid for; laws that ship and laws that a search finds are weighed by
hold-outs among these rows alone.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.laws.shipped import features_of, law_of
from benchmarks.laws.tasks import TASKS, Columns, Task, cost_of, r_squared, read
from benchmarks.plan.beliefs import Floats, Points, before
from benchmarks.plan.options import Options
from benchmarks.plan.weighed import Weighed, after, found_fits, law_fits, median_of, weighed
from benchmarks.workers import side_by_side
from flpjax.cli.layout import RULE, table
from flpjax.fitting.lawsearch.found import FoundLaws
from flpjax.fitting.lawsearch.search import discover_law
from flpjax.laws.law import size
from flpjax.numerics import generator
from flpjax.results.selection.choice import choose

SHARES = (1, 5, 10)  # of the cost of all training rows, %
SHARES_OF = {"domain_mixture": (20, 35, 50)}
FIRST, NEXT = 16, 32  # runs of the first plan, and of each later one
FEW = 200  # measurements of candidates: of more, runs are not taken back
ROUNDS = 4  # of the search: rows are few
WIDE = 160  # letters of a line of the table
ROWS_A_NUMBER = 2  # of a law that ships: fewer rows don't determine it (as `flpjax.laws.law.determined_by` has it)
FEWEST = 8  # rows that laws are fitted to
SIZES = {"70M": 70e6, "160M": 160e6, "305M": 305e6, "410M": 410e6}  # groups of the mixtures, which are sizes of models
PUBLISHED = {
    "data_constrained": {"best": (0.73, 0.85, 0.86), "D-opt": (0.71, 0.80, 0.77), "V-opt": (0.58, 0.83, 0.85)},
    "domain_mixture": {"best": (0.64, 0.89, 0.95), "D-opt": (0.14, 0.81, 0.88), "V-opt": (0.57, 0.91, 0.95)},
    "moe": {"best": (0.59, 0.65, 0.83), "D-opt": (0.34, 0.55, 0.74), "V-opt": (0.67, 0.80, 0.80)},
    "lr_bsz": {"best": (-0.66, 0.00, 0.22), "D-opt": (-0.92, -0.66, -0.53), "V-opt": (-0.70, -0.06, 0.18)},
    "vocab": {"best": (0.96, 0.98, 0.98), "D-opt": (0.95, 0.97, 0.97), "V-opt": (0.96, 0.97, 0.98)},
    "farseer": {"best": (0.60, 0.88, 0.93), "D-opt": (-0.11, 0.49, 0.87), "V-opt": (0.67, 0.87, 0.92)},
}
"""Li et al. 2026 (arXiv 2604.22753), table 2: their own selection, and two classical designs; means over their laws."""


class Study(NamedTuple):
    """A task, how rows are chosen, and a seed."""

    task: str
    random: bool
    seed: int


def measure(options: Options) -> dict[str, Any]:
    """R² by task and share of the cost, of the selection and of random rows."""
    seeds = range(options.seed, options.seed + (options.replicates or 1))
    todo = [Study(task, random, seed) for task in TASKS for random in (False, True) for seed in seeds]
    done = dict(side_by_side(one, todo, options.workers))
    figures: dict[str, Any] = {}
    for task in TASKS:
        chosen, random = ([done[Study(task, how, seed)] for seed in seeds] for how in (False, True))
        own = np.mean([c["r2"] for c in chosen], axis=0)
        figures[task] = {
            **{str(share): float(v) for share, v in zip(SHARES, own, strict=True)},
            "shares": list(SHARES_OF.get(task, SHARES)),
            "random": np.mean([c["r2"] for c in random], axis=0).tolist(),
            "published": {who: list(v) for who, v in PUBLISHED[task].items()},
            "rows": chosen[0]["rows"],
            "select_seconds": float(np.mean([sum(c["select_seconds"]) for c in chosen])),
            "seconds": float(np.mean([sum(c["select_seconds"]) + sum(c["fit_seconds"]) for c in chosen])),
        }
    return figures


def show(figures: dict[str, Any]) -> str:
    """A table: task by task, then means."""
    names = list(figures)
    rows = [
        [
            name,
            _shares(f[str(s)] for s in SHARES),
            _shares(f["random"]),
            *(_shares(f["published"][who]) for who in ("best", "D-opt", "V-opt")),
            " / ".join(map(str, f["rows"])),
            f"{f['seconds']:.0f}",
        ]
        for name, f in figures.items()
    ]
    means = [
        [[f[str(s)] for s in SHARES] for f in figures.values()],
        [f["random"] for f in figures.values()],
        *([f["published"][who] for f in figures.values()] for who in ("best", "D-opt", "V-opt")),
    ]
    rows.append([f"mean of {len(names)}", *(_shares(np.mean(m, axis=0)) for m in means), "", ""])
    columns = ["task", "chosen", "random", "published best", "D-opt", "V-opt", "rows", "CPU s"]
    title = "R² on the test rows at 1 / 5 / 10 % of the cost (domain_mixture: 20 / 35 / 50 %)"
    sheet = table(title, columns, rows)
    return "\n".join([title, *(line.replace(RULE, "─") for line in sheet.lines(WIDE))])


def _shares(values: Any) -> str:
    return " / ".join(f"{v:.2f}" for v in values)


def one(study: Study) -> tuple[Study, dict[str, Any]]:
    """All shares of one task, one after another."""
    jax.config.update("jax_enable_x64", True)
    task = TASKS[study.task]
    train, test = (_with_sizes(read(task, part)) for part in ("train", "test"))
    count = len(train[task.targets[0]])
    paid_for = cost_of(task, train)
    cost = np.ones(count) if paid_for is None else paid_for
    names = tuple(n for n in train if n not in task.targets)
    both = {n: np.concatenate([train[n], test[n]]).astype(float) for n in names}
    measured = np.stack([test[t] for t in task.targets], axis=1)
    signed = study.task == "vocab"  # losses normalised by unigrams: negative by their definition
    points = Points(names, np.stack([*both.values()]), count, len(task.targets), "linear" if signed else "log")
    key = jax.random.key(study.seed)
    rng = generator(key, 1)
    paid: list[int] = []
    laws: list[Weighed] = []
    found: FoundLaws | None = None
    r2, rows, times = [], [], []
    for share in SHARES_OF.get(study.task, SHARES):
        start = time.process_time()
        rest = 0.01 * share * cost.sum() - cost[paid].sum()
        paid += _random(paid, cost, rest, rng) if study.random else _chosen(points, paid, laws, found, cost, rest, rng)
        between = time.process_time()
        if len(paid) < FEWEST:
            raise RuntimeError(f"{study}: {share} % of the cost pay for {len(paid)} rows")
        own = {n: train[n][paid] for n in (*names, *task.targets)}
        ahead = {n: test[n] for n in names}
        found = discover_law(
            own, task.targets, key, features=names, cost=None if paid_for is None else cost[paid], towards=ahead,
            rounds=ROUNDS,
        )  # fmt: skip
        there = points.seen_by(found.problem.axes)
        fits = found_fits(found, there, rng) + _shipped(task, both, own, found, paid, rng)
        laws = weighed(fits, found.problem, there, paid)
        forecast = median_of(laws)[:, count:].T
        r2.append(r_squared(forecast if signed else np.exp(forecast), measured))
        rows.append(len(paid))
        times.append((between - start, time.process_time() - between))
    select, fit = zip(*times, strict=True)
    return study, {"r2": r2, "rows": rows, "select_seconds": list(select), "fit_seconds": list(fit)}


def _chosen(
    points: Points, paid: list[int], laws: list[Weighed], found: FoundLaws | None, cost: Floats, rest: float,
    rng: np.random.Generator,
) -> list[int]:  # fmt: skip
    """The next plan."""
    if found is None:
        joint = before(points, rng)
    else:
        joint = after(laws, found.problem, points.seen_by(found.problem.axes), paid)
    free = np.setdiff1d(np.arange(points.candidates), paid)
    joint = joint._replace(candidates=joint.candidates[:, free], noise=joint.noise[free])
    most = NEXT if paid else FIRST
    choice = choose(joint, cost[free], rest, most=most, least=0.0, exchange=len(free) * points.outputs <= FEW)
    return [int(i) for i in free[choice.order]]


def _random(paid: list[int], cost: Floats, rest: float, rng: np.random.Generator) -> list[int]:
    """Rows in random order, as far as each can still be paid."""
    taken = []
    for i in rng.permutation(np.setdiff1d(np.arange(len(cost)), paid)):
        if cost[i] <= rest:
            taken.append(int(i))
            rest -= float(cost[i])
    return taken


def _shipped(
    task: Task, both: Columns, own: Columns, found: FoundLaws, paid: list[int], rng: np.random.Generator
) -> list[Any]:
    """Laws that ship, as far as the rows can determine them, fitted."""
    fits = []
    for name in task.laws:
        x = features_of(task, both)
        law = law_of(name, jax.tree.map(lambda v: v[paid], x), np.asarray(own[task.targets[0]], float))
        if size(law) <= len(paid) // ROWS_A_NUMBER:
            fits.append(law_fits(law, x, found.problem, paid, rng))
    return fits


def _with_sizes(columns: Columns) -> Columns:
    """Without groups; where these are sizes of models, with their N."""
    group = [str(g) for g in columns["group"]]
    rest = {name: values for name, values in columns.items() if name != "group"}
    return {**rest, "params": np.array([SIZES[g] for g in group])} if set(group) <= set(SIZES) else rest
