"""``discover_law``: propose – fit – criticise – revise, over laws of losses in any columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from flpjax.errors import InputError, check_count
from flpjax.fitting.lawsearch.columns import Table, columns_of
from flpjax.fitting.lawsearch.found import FoundLaws
from flpjax.fitting.lawsearch.members import departure_from, members_of
from flpjax.fitting.lawsearch.problem import Trial
from flpjax.fitting.lawsearch.proposer import Proposer, propose
from flpjax.fitting.lawsearch.trials import held_out, noise_of, ranking, try_structures
from flpjax.fitting.lawsearch.widths import growth_of
from flpjax.ladder.table import Runs
from flpjax.numerics import generator, require_x64
from flpjax.readers.read import read_columns

ROUNDS = 6
BEAM = 6  # structures whose revisions are tried
PER_ROUND = 100
FITS = 2400  # in a round, one a structure, cell and fold: fewer structures are tried where there are many cells
USED = 2.0 / 3.0  # of a cell's rows: a law of more numbers leaves nothing that tells it from noise
FIRST_NOISE = 0.2  # of the spread of values
FINER = 0.85  # of the noise: a smaller one is worth judging the best again


def discover_law(
    columns: Mapping[str, ArrayLike] | Runs | str | os.PathLike[str],
    targets: str | Sequence[str],
    key: Array,
    *,
    features: Sequence[str] | None = None,
    group: str | None = None,
    cost: ArrayLike | str | None = None,
    towards: Mapping[str, ArrayLike] | None = None,
    rounds: int = ROUNDS,
    per_round: int = PER_ROUND,
    proposer: Proposer = propose,
    progress: Callable[[str], None] | None = None,
) -> FoundLaws:
    """Find laws of losses over any columns, and an ensemble of the best, with intervals.

    Structures are sums of exponentials of what features do (:mod:`flpjax.fitting.lawsearch.structure`). Each is fitted
    to all rows and to folds that leave out the largest values of a column, or the costliest rows, and judged by how
    far it errs there; a number must pay for itself. Revisions of the best are tried next. In the end the best few are
    fitted to all rows and weighed by what they showed.

    Args:
        columns: Name → ``(row,)`` values; a dictionary, a polars or pandas frame, or the path of a CSV or Parquet file.
            Or a ladder: the final rows of its
            runs that are not held out, with N, D, its features and mixture, and FLOPs as the cost.
        targets: The column, or columns, to explain: losses. They may be negative. Of a ladder, () for all its losses.
        key: JAX random key, of starts, and of which proposals are tried where there are too many.
        features: The columns to explain them by; None for all other numbers.
        group: A column whose values set rows apart: the same structure, with numbers of its own for each.
        cost: ``(row,)`` what a row cost, say its FLOPs, or the column that says so, which then explains only if
            nothing else does: laws are judged by the costliest, too. Only the order of costs counts.
        towards: Columns of the rows that will be forecast, their features alone: laws are judged by how they
            extrapolate towards these, if they lie beyond what was measured. None judges by the largest of every column.
        rounds: Of proposals.
        per_round: Structures in a round.
        proposer: What to try next.
        progress: Called with words before each round.

    Raises:
        InputError: A column is missing, not of numbers, or has too few rows in a group.
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("discovery")
    check_count(rounds, "rounds", 1, where="discover_law")
    check_count(per_round, "laws a round", 1, where="discover_law")
    names = [targets] if isinstance(targets, str) else list(dict.fromkeys(targets))
    if isinstance(columns, str | os.PathLike):
        columns = read_columns(columns)
    if isinstance(columns, Runs):
        finals = columns.training().finals()
        names = [f"loss/{d.removeprefix('loss/')}" for d in names or columns.domains]
        cost = finals.flops if cost is None else cost
        columns = columns_of(finals)
    table = Table.of(columns, names, features, group, cost, towards)
    rng = generator(key, 0)
    problem = table.problem(rng)
    noise = FIRST_NOISE * np.maximum(problem.spread, 1e-6)
    alone = len(problem.axes) == 1
    tried: dict[object, Trial] = {}
    best: list[Trial] = []
    for number in range(rounds):
        asked = [
            s
            for s in proposer([t.structure for t in best], problem.axes, problem.signed)
            if s.same() not in tried and s.size <= USED * table.rows
        ]
        most = min(per_round, max(FITS // (len(problem.y) * len(problem.folds.seen)), BEAM))
        if number and len(asked) > most:
            asked = [asked[i] for i in np.sort(rng.permutation(len(asked))[:most])]
        if not asked:
            break
        if progress is not None:
            progress(f"round {number + 1}: {len(asked)} laws")
        tried |= {t.structure.same(): t for t in try_structures(problem, asked, best, noise, rng)}
        best = ranking(tried.values(), alone)[:BEAM]
        finer = np.minimum(noise, noise_of(problem, best[0]))
        if (finer < FINER * noise).any():  # what is noise shows when something explains the rest: judge the best again
            noise = finer
            again = [t.structure for t in best]
            tried |= {t.structure.same(): t for t in try_structures(problem, again, best, noise, rng)}
            best = ranking(tried.values(), alone)[:BEAM]
    if not tried:
        raise InputError(
            f"no law was proposed that {table.rows} rows can carry",
            where="discover_law",
            remedy="Give more rows, or a proposer of smaller laws",
        )
    ranked = ranking(tried.values(), alone)
    members = members_of(table.whole, ranked, noise, rng)
    departure = departure_from(table.whole, members, rng)
    errors = held_out(problem, [m.trial for m in members], noise)
    growth = growth_of(problem, errors, np.array([m.weight for m in members]))
    return FoundLaws(
        tuple(names),
        table.names,
        table.groups,
        table.whole,
        members,
        departure,
        noise,
        growth,
        len(tried),
        tuple(ranked),
    )
