"""Automated discovery of loss → score models: propose, fit, criticise, revise (after Li et al. 2024c).

Chen et al. 2024, Table 4, drove it by a language model. Here the proposer is any function of the history; the one that
is built in reads the critic's findings and needs neither network nor language model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from warnings import warn

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.engine.settings import Settings
from flpjax.errors import InputError, check_count, count
from flpjax.fitting.discovery.folds import FEWEST_RUNS, Folds, Sample
from flpjax.fitting.discovery.history import Entry, History, Proposal, choose
from flpjax.fitting.discovery.proposer import Proposer, checked, propose
from flpjax.fitting.discovery.trials import try_models
from flpjax.ladder.joined import losses_at_scores
from flpjax.ladder.select import Selection
from flpjax.ladder.table import Floats, index_of
from flpjax.laws.grammar import Expression, Term
from flpjax.laws.law import Params
from flpjax.methods.emergence import emerged_checkpoints
from flpjax.numerics import compiled, generator, require_x64
from flpjax.readers.read import Table, read_runs
from flpjax.shown import ShownAsTable

PAPER = Selection()
LEGEND = "round, held-out log score ± s.e. in nats per checkpoint (→ is chosen), formula | why it was tried"


@dataclass(frozen=True, eq=False)
class Discovery(ShownAsTable):
    """The result of discovery: one formula for each task, and every formula that was tried.

    Attributes:
        domains: ``(domain,)`` the losses, in the order in which :meth:`predict` takes them.
        formulas: Task → the chosen formula, an expression in the losses.
        params: Task → its parameters.
        log: Every formula tried, in order.
        warnings: About tasks that could not be modelled.
    """

    domains: tuple[str, ...]
    formulas: Mapping[str, Expression]
    params: Mapping[str, Params]
    log: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()

    def predict(self, loss: Any) -> Floats:
        """Scores ``(row, task)``, as the formulas have them, at losses ``(row, domain)``.

        Nothing is clipped: far from the runs a score may lie below 0 or above 1, unless the link forbids it.

        Raises:
            InputError: The losses don't have a column for each domain.
        """
        x = jnp.asarray(loss, float)
        if x.ndim != 2 or x.shape[1] != len(self.domains):
            names = ", ".join(self.domains)
            raise InputError(f"the losses have shape {x.shape}", where="predict", remedy=f"Give columns {names}")
        scores = [_apply(law, self.params[task], x) for task, law in self.formulas.items()]
        return np.stack([np.asarray(s) for s in scores], axis=1)

    @property
    def forms(self) -> Mapping[str, Expression]:
        """The same as ``formulas``, by its name up to version 0.2."""
        warn("Discovery.forms is now Discovery.formulas", DeprecationWarning, stacklevel=2)
        return self.formulas

    def kept(self, entry: Entry) -> bool:
        """Whether an entry of the log is what was chosen for its task."""
        return self.formulas.get(entry.task) is entry.expression

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one per model tried."""
        return [{**entry.to_dict(), "kept": self.kept(entry)} for entry in self.log]

    def to_json(self) -> str:
        """The log as JSON text."""
        whole = {"domains": list(self.domains), "models": self.to_dicts(), "warnings": list(self.warnings)}
        return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        lines = [LEGEND]
        for task in dict.fromkeys(e.task for e in self.log):
            lines += ["", task, *(self._line(e) for e in self.log if e.task == task)]
        return "\n".join([*lines, *(["", *(f"warning: {w}" for w in self.warnings)] if self.warnings else [])])

    def _line(self, entry: Entry) -> str:
        return f"{'→' if self.kept(entry) else ' '} " + str(entry).replace("\n", "\n  ")


def discover(
    runs: Table,
    key: Array,
    *,
    rounds: int = 3,
    per_round: int = 6,
    proposer: Proposer = propose,
    selection: Selection = PAPER,
    domains: tuple[str, ...] = (),
    settings: Settings | None = None,
) -> Discovery:
    """Search the grammar for each task's model of score on domain losses, on the runs that are not held out.

    In each round the proposer is asked once a task, all its models are fitted to all runs and to the folds of
    :class:`~flpjax.fitting.discovery.folds.Folds` together, and the critic judges them. In the end, as in every round,
    the best is the simplest within one standard error of the best held-out log score.

    The default selection is the paper's. Its above-chance filter keeps lucky checkpoints near chance, which flattens
    what is fitted there; :data:`flpjax.methods.registry.ALL_EMERGED` is the better choice for links that know the
    chance level, as logit and exponential do. On the targets of :func:`flpjax.simulate_mixtures` with seed 2 the mean
    error of scores is 3.8 % with it, and 4.5 % with the default (``tests/fitting/test_discovery.py``).

    Args:
        runs: The ladder.
        key: JAX random key, for the folds.
        rounds: How often to propose; a proposer that has nothing more to say ends a task's search earlier.
        per_round: How many models of each proposal are tried, the first ones. Those tried before are passed over.
        proposer: History → proposals; an error that it raises goes through.
        selection: The checkpoints to fit and judge.
        domains: The losses to speak of; () for all that are no task's own loss.
        settings: Of the solver. A model of which any fit does not converge is logged, and can't be chosen.

    Raises:
        InputError: There is nothing to model, or the proposer returned what is no proposal.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    require_x64("discovery")
    check_count(rounds, "rounds", 1, where="discover")
    check_count(per_round, "formulas a round", 1, where="discover")
    training = runs.training()
    names = tuple(domains) or training.general_domains
    loss = losses_at_scores(training)[:, [index_of(d, training.domains, "loss domain", training.source) for d in names]]
    if not names or not training.tasks or len(training.names) <= FEWEST_RUNS:
        have = f"{count(len(names), 'loss domain')}, {count(len(training.tasks), 'task')}, {len(training.names)} runs"
        raise InputError(
            f"{have} that are not held out", where=runs.source, remedy=f"Give both and {FEWEST_RUNS + 1} runs or more"
        )
    average = np.repeat(loss.mean(axis=1, keepdims=True), len(training.tasks), axis=1)
    least = Expression((Term("average"),), names)
    emerged = emerged_checkpoints(training, selection, average, least)
    folds = Folds.of(training, generator(key, 0))
    # Checkpoints without some loss fit nothing; what stands in their rows must be finite all the same.
    loss = np.where(np.isfinite(loss), loss, np.nanmean(loss, axis=0))
    samples = [
        Sample(training.tasks[i], loss, np.where(keep, training.score[:, i], 0.5), training.run, keep, folds)
        for i, keep in zip(emerged.tasks, emerged.keep, strict=True)
    ]
    if not samples:
        raise InputError("no task can be modelled", where=runs.source, remedy="; ".join(emerged.warnings))
    log: list[Entry] = []
    for number in range(1, rounds + 1):
        asked: list[tuple[Sample, Proposal]] = []
        for s in samples:
            own = tuple(e for e in log if e.task == s.task.name)
            seen = (loss[s.keep], s.score[s.keep], s.run[s.keep])
            history = History(s.task, names, number, rounds, per_round, own, *seen)
            asked += [(s, p) for p in checked(proposer(history), history)]
        if not asked:
            break
        log += try_models(number, asked, per_round * len(samples), settings)
    chosen, failed = {}, []
    for task in (s.task.name for s in samples):
        entries = [e for e in log if e.task == task]
        best = choose(entries)
        if best is not None:
            chosen[task] = best
        else:
            failed.append(f"task '{task}' has no model: {_why_none(entries)}")
    if not chosen:
        raise InputError("no task can be modelled", where=runs.source, remedy="; ".join(failed))
    formulas, params = ({t: getattr(e, what) for t, e in chosen.items()} for what in ("expression", "params"))
    return Discovery(names, formulas, params, tuple(log), (*emerged.warnings, *failed))


def _why_none(entries: list[Entry]) -> str:
    if all(e.criticism is None for e in entries):
        return "no fit converged"
    return f"its runs are too few to leave any out and fit the others, {FEWEST_RUNS} or more"


@partial(compiled, static_argnums=0)
def _apply(law: Expression, params: Params, x: Array) -> Array:
    """Scores ``(row,)``."""
    return jax.vmap(law.apply, (None, 0))(params, x)
