"""Automated discovery of loss → score models: propose, fit, criticise, revise (after Li et al. 2024c).

Chen et al. 2024, Table 4, drove it by a language model. Here the proposer is any function of the history; the one that
is built in reads the critic's findings and needs neither network nor language model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.settings import Settings
from flpjax.engine.status import USABLE, Status
from flpjax.errors import InputError, count, did_you_mean
from flpjax.fitting.critic import FEWEST_RUNS, Criticism, Finding, Folds, criticise
from flpjax.forms.form import Params, size, unpack
from flpjax.forms.grammar import FREE, Expression, Link, Tabulated, Term, guess_sum, respond
from flpjax.forms.residual import TYPICAL_NOISE
from flpjax.numerics import generator, require_x64
from flpjax.predictors.emergence import emerged_checkpoints
from flpjax.runs.select import Selection
from flpjax.runs.table import Floats, Runs
from flpjax.runs.tasks import Task

REACHES = (0.1, 0.4, 0.8)  # how far outside the scores seen a ceiling or floor starts
WIDTH = 6  # terms are filled up to a multiple, and problems to the most there can be, so that few programs are compiled
PAPER = Selection()
TOO_FEW = f"its runs are too few to leave any out and fit the others, {FEWEST_RUNS} or more"
SAID = 4  # findings of a model that the printed log says


class Proposal(NamedTuple):
    """A model to try, and why."""

    expression: Expression
    because: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One model that was tried on one task.

    Attributes:
        round: From 1.
        task: Its name.
        expression: The model, standardised for the task's checkpoints.
        because: Why it was proposed.
        params: Of the fit to all runs.
        status: How the worst of its fits ended; unless usable, the model can't be chosen.
        criticism: What the critic says; None where a fit failed.
    """

    round: int
    task: str
    expression: Expression
    because: str
    params: Params
    status: Status
    criticism: Criticism | None

    @property
    def formula(self) -> str:
        """With the fitted numbers."""
        return self.expression.words(self.params)

    @property
    def log_score(self) -> float:
        """Held out, nats per checkpoint; NaN where a fit failed."""
        return float("nan") if self.criticism is None else self.criticism.held.mean

    @property
    def stderr(self) -> float:
        """Of the log score."""
        return float("nan") if self.criticism is None else self.criticism.held.stderr

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the critic holds against it."""
        if self.criticism is None:
            return (Finding("fit", f"a fit did not converge: {self.status.advice}", 0.0, 0.0),)
        return self.criticism.findings

    def __str__(self) -> str:
        judged = np.isfinite(self.log_score)
        score = f"{self.log_score:.3f} ± {self.stderr:.3f}" if judged else "not judged"
        lines = [f"round {self.round}: {score}  {self.formula}", f"    because {self.because}"]
        return "\n".join([*lines, *(f"    - {f.words}" for f in self.findings[:SAID])])

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        judged = np.isfinite(self.log_score)
        return {
            "round": self.round,
            "task": self.task,
            "formula": self.formula,
            "because": self.because,
            "log_score": self.log_score if judged else None,
            "stderr": self.stderr if judged else None,
            "parameters": size(self.expression),
            "status": self.status.name.lower(),
            "findings": [f.words for f in self.findings],
        }


@dataclass(frozen=True, eq=False)
class History:
    """What a proposer may know of a task: all that was tried, and the checkpoints that it was fitted to.

    Attributes:
        task: The task, with its chance level.
        domains: ``(domain,)`` the losses to speak of.
        round: The round to propose for, from 1.
        rounds: How many there are.
        per_round: How many models of a proposal are tried.
        entries: What was tried on the task.
        loss: ``(row, domain)``.
        score: ``(row,)``.
        run: ``(row,)`` labels.
    """

    task: Task
    domains: tuple[str, ...]
    round: int
    rounds: int
    per_round: int
    entries: tuple[Entry, ...]
    loss: Floats
    score: Floats
    run: NDArray[np.int64]

    @property
    def best(self) -> Entry | None:
        """The entry to keep if there were no other round; None before the first, or if all fits failed."""
        return choose(self.entries)

    def __str__(self) -> str:
        """For a proposer that reads words: the task, its domains, and every entry with the critic's findings."""
        head = f"{self.task.name}: chance {self.task.chance:g}, losses of {', '.join(self.domains)}"
        return "\n".join([head, *map(str, self.entries)])

    def tried(self, expression: Expression) -> bool:
        """Whether these terms were tried under this link."""
        return _key(expression) in {_key(e.expression) for e in self.entries}


Proposer = Callable[[History], Sequence[Proposal]]


def choose(entries: Sequence[Entry]) -> Entry | None:
    """The simplest of those within one standard error (of the difference) of the best held-out log score."""
    sound = [(e, e.criticism) for e in entries if e.criticism is not None and np.isfinite(e.log_score)]
    if not sound:
        return None
    best = max(sound, key=lambda s: s[0].log_score)[1]
    ahead = [best.ahead_of(c) for _, c in sound]
    equal = [e for (e, c), a in zip(sound, ahead, strict=True) if c is best or a.mean <= a.stderr]
    return min(equal, key=lambda e: (size(e.expression), -e.log_score))


def propose(history: History) -> list[Proposal]:
    """The built-in proposer: the paper's baselines first, then what the findings against the best so far call for."""
    domains, best = history.domains, history.best
    if best is None:
        average, each = (Term("average"),), tuple(Term("domain", (d,)) for d in domains)
        first = [
            Proposal(Expression(terms, domains, link), f"to begin with: {what} under the link {link}")
            for link in get_args(Link)
            for terms, what in ((average, "the average loss"), (each, "every domain's loss"))[len(domains) == 1 :]
        ]
        return [p for p in first if not history.tried(p.expression)][: history.per_round]
    lines: dict[str, list[Proposal]] = {}
    for finding in best.findings:
        lines.setdefault(finding.kind, []).extend(
            Proposal(e, f"{finding.words}: {how}") for e, how in _revised(best.expression, finding)
        )
    lines["neighbours"] = list(_neighbours(best))
    found: dict[Expression, Proposal] = {}
    for rank in range(max(len(line) for line in lines.values())):  # the strongest of every kind before any second
        for line in lines.values():
            for proposal in line[rank : rank + 1]:
                if not history.tried(proposal.expression):
                    found.setdefault(_key(proposal.expression), proposal)
    return list(found.values())[: history.per_round]


def _revised(model: Expression, finding: Finding) -> Iterator[tuple[Expression, str]]:
    """What a finding calls for, and in words."""
    if finding.kind in ("domain", "bend", "product") and finding.term is not None:
        yield replace(model, terms=(*model.terms, finding.term)), "add it"
    elif finding.kind in ("sign", "undetermined") and finding.term is not None and len(model.terms) > 1:
        yield replace(model, terms=tuple(t for t in model.terms if t != finding.term)), "drop it"
    elif finding.kind in ("curvature", "top"):
        rising = finding.number > 0
        if model.link != "exponential" and rising:
            yield replace(model, link="exponential", ceiling=None), "let it grow exponentially"
        if model.link == "logit" and model.ceiling is None and rising:
            yield replace(model, ceiling=1.0), "let it rise to 1"
        if model.link == "logit" and model.ceiling is not None and not rising:
            yield replace(model, ceiling=None), "fit the ceiling"
        if model.link != "logit":
            yield replace(model, link="logit"), "bend it between chance and a ceiling"
    elif finding.kind == "bounds" and model.link != "logit":
        yield replace(model, link="logit"), "keep it between chance and a ceiling"


def _neighbours(best: Entry) -> Iterator[Proposal]:
    """What no finding calls for, and may yet be better: fewer terms, and other links of the same terms."""
    model = best.expression
    weak = {f.term for f in best.findings if f.kind in ("sign", "undetermined")}
    kept = tuple(t for t in model.terms if t not in weak)
    if len(weak) > 1 and kept:
        yield Proposal(replace(model, terms=kept), "several coefficients are not earned: drop them all")
    for link in get_args(Link):
        if link != model.link:
            yield Proposal(replace(model, link=link, ceiling=None), f"the same terms under the link {link}")
    if model.link == "logit":
        ceiling = None if model.ceiling is not None else 1.0
        what = "a ceiling to be fitted" if ceiling is None else "a ceiling of 1"
        yield Proposal(replace(model, ceiling=ceiling), f"the same terms with {what}")
    if len(model.terms) > 1:
        sizes = np.abs(np.asarray(best.params["slopes"]))
        for i in np.argsort(sizes, kind="stable"):
            terms = tuple(t for t in model.terms if t != model.terms[i])
            yield Proposal(replace(model, terms=terms), f"is {model.term_words(model.terms[i])} needed? drop it")
    common = {Term("average"), *model.terms}
    if len(common) > len(model.terms) and not {Term("domain", (d,)) for d in model.domains} <= common:
        yield Proposal(replace(model, terms=(Term("average"), *model.terms)), "the average loss as a common trend")


def _key(expression: Expression) -> Expression:
    """The same before it was standardised: what makes two expressions the same model; the order of terms does not."""
    terms = tuple(sorted(expression.terms, key=lambda t: (t.kind, t.names, t.knot)))
    return Expression(terms, expression.domains, expression.link, ceiling=expression.ceiling)


@dataclass(frozen=True, eq=False)
class Discovery:
    """What was found: one model a task, and every model that was tried.

    Attributes:
        domains: ``(domain,)`` the losses, in the order in which :meth:`predict` takes them.
        forms: Task → expression.
        params: Task → its parameters.
        log: Every model tried, in order.
        warnings: About tasks that could not be modelled.
    """

    domains: tuple[str, ...]
    forms: Mapping[str, Expression]
    params: Mapping[str, Params]
    log: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()

    def predict(self, loss: Any) -> Floats:
        """Scores ``(row, task)``, as the formulas have them, at losses ``(row, domain)``.

        Raises:
            InputError: The losses don't have a column for each domain.
        """
        x = jnp.asarray(loss, float)
        if x.ndim != 2 or x.shape[1] != len(self.domains):
            names = ", ".join(self.domains)
            raise InputError(f"the losses have shape {x.shape}", where="predict", remedy=f"Give columns {names}")
        scores = [_apply(form, self.params[task], x) for task, form in self.forms.items()]
        return np.stack([np.asarray(s) for s in scores], axis=1)

    def kept(self, entry: Entry) -> bool:
        """Whether an entry of the log is what was chosen for its task."""
        return self.forms.get(entry.task) is entry.expression

    def table(self) -> list[dict[str, Any]]:
        """Tidy rows: one per model tried."""
        return [{**entry.to_dict(), "kept": self.kept(entry)} for entry in self.log]

    def to_json(self) -> str:
        """The log as JSON text."""
        whole = {"domains": list(self.domains), "models": self.table(), "warnings": list(self.warnings)}
        return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        lines = []
        for task in dict.fromkeys(e.task for e in self.log):
            lines += [task, *(f"{'→' if self.kept(e) else ' '} {e}" for e in self.log if e.task == task)]
        return "\n".join([*lines, *(f"warning: {w}" for w in self.warnings)])


def discover(
    runs: Runs,
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
    :class:`~flpjax.fitting.critic.Folds` together, and the critic judges them. In the end, as in every round, the best
    is the simplest within one standard error of the best held-out log score.

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
    require_x64("discovery")
    for name, number in (("rounds", rounds), ("per_round", per_round)):
        if number < 1:
            raise InputError(f"{name} is {number}", where="discover", remedy="Give at least 1")
    training = runs.training()
    names = tuple(domains) or training.general_domains
    loss = np.stack([training.loss_of(d) for d in names], axis=1) if names else np.zeros((len(training), 0))
    if not names or not training.tasks or len(training.names) <= FEWEST_RUNS:
        have = f"{count(len(names), 'loss domain')}, {count(len(training.tasks), 'task')}, {len(training.names)} runs"
        raise InputError(
            f"{have} that are not held out", where=runs.source, remedy=f"Give both and {FEWEST_RUNS + 1} runs or more"
        )
    average = np.repeat(loss.mean(axis=1, keepdims=True), len(training.tasks), axis=1)
    least = Expression((Term("average"),), names)
    emerged = emerged_checkpoints(training, selection, average, least)
    folds = Folds.of(training, generator(key, 0))
    data = [
        _Data(training.tasks[i], loss, np.where(keep, training.score[:, i], 0.5), training.run, keep, folds)
        for i, keep in zip(emerged.tasks, emerged.keep, strict=True)
    ]
    if not data:
        raise InputError("no task can be modelled", where=runs.source, remedy="; ".join(emerged.warnings))
    log: list[Entry] = []
    for number in range(1, rounds + 1):
        asked: list[tuple[_Data, Proposal]] = []
        for d in data:
            own, keep = tuple(e for e in log if e.task == d.task.name), d.keep
            history = History(d.task, names, number, rounds, per_round, own, loss[keep], d.score[keep], d.run[keep])
            asked += [(d, p) for p in _checked(proposer(history), history)]
        if not asked:
            break
        log += _tried(number, asked, per_round * len(data), settings)
    best = {d.task.name: choose([e for e in log if e.task == d.task.name]) for d in data}
    failed = tuple(
        f"task '{task}' has no model: "
        + ("no fit converged" if all(e.criticism is None for e in log if e.task == task) else TOO_FEW)
        for task, entry in best.items()
        if entry is None
    )
    chosen = {task: entry for task, entry in best.items() if entry is not None}
    if not chosen:
        raise InputError("no task can be modelled", where=runs.source, remedy="; ".join(failed))
    forms, params = ({t: getattr(e, what) for t, e in chosen.items()} for what in ("expression", "params"))
    return Discovery(names, forms, params, tuple(log), (*emerged.warnings, *failed))


class _Data(NamedTuple):
    """What the models of a task are fitted to and judged by."""

    task: Task
    loss: Floats  # (row, domain)
    score: Floats  # (row,)
    run: NDArray[np.int64]  # (row,)
    keep: NDArray[np.bool_]  # (row,)
    folds: Folds


def _checked(answer: Any, history: History) -> list[Proposal]:
    """The proposals of an answer, without those tried before, standardised for the task's checkpoints.

    Raises:
        InputError: It is no sequence of proposals that speak of the history's domains.
    """
    where = f"the proposer, task '{history.task.name}', round {history.round}"
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise InputError(
            f"it returned {type(answer).__name__}", where=where, remedy="Return a list of Proposal(expression, because)"
        )
    if not answer and not history.entries:
        raise InputError("it returned no proposal", where=where, remedy="Return at least one in the first round")
    found: dict[Expression, Proposal] = {}
    for item in answer[: history.per_round]:
        if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], Expression)):
            raise InputError(
                f"{item!r} is no proposal", where=where, remedy="Return a list of Proposal(expression, because)"
            )
        expression, because = item
        if not isinstance(because, str) or not because:
            raise InputError(f"'{expression}' comes without a reason", where=where, remedy="Say why, in words")
        for name in (n for term in expression.terms for n in term.names):
            if name not in history.domains:
                remedy = did_you_mean(name, history.domains)
                raise InputError(f"there is no loss domain '{name}'", where=where, remedy=remedy)
        own = replace(expression, domains=history.domains, chance=history.task.chance, centre=(), spread=())
        if not history.tried(own):
            found.setdefault(_key(own), Proposal(own.centred(history.loss), because))
    return list(found.values())


def _tried(number: int, asked: list[tuple[_Data, Proposal]], most: int, settings: Settings | None) -> list[Entry]:
    """Fit and judge all models of a round: one call of the solver for each link and width."""
    groups: dict[Tabulated, list[int]] = {}
    for i, (_, (expression, _)) in enumerate(asked):
        width = WIDTH * -(-len(expression.terms) // WIDTH)
        groups.setdefault(Tabulated(expression.link, expression.free, width), []).append(i)
    entries: dict[int, Entry] = {}
    for residual, members in groups.items():
        vector, status, predicted = _fitted(
            residual, [(asked[i][0], asked[i][1].expression) for i in members], most, settings
        )
        for j, i in enumerate(members):
            d, (expression, because) = asked[i]
            params = _params(expression, vector[0, j])
            usable = np.isin(status[:, j], USABLE)
            criticism = None
            if usable.all() and np.isfinite(predicted[j]).all():
                criticism = criticise(expression, params, d.loss, d.score, d.run, d.keep, predicted[j], d.folds)
            worst = Status(int(status[0, j] if usable.all() else status[:, j][~usable][0]))
            entries[i] = Entry(number, d.task.name, expression, because, params, worst, criticism)
    return [entries[i] for i in range(len(asked))]


def _params(expression: Expression, vector: Floats) -> Params:
    """Of a vector whose slopes are filled up."""
    used = np.concatenate([vector[: 1 + len(expression.terms)], vector[-1:] if expression.free else vector[:0]])
    return unpack(expression, jnp.asarray(used))


def _fitted(
    residual: Tabulated, models: list[tuple[_Data, Expression]], most: int, settings: Settings | None
) -> tuple[Floats, NDArray[np.int32], Floats]:
    """Fit models of one link to all runs, and under every fold's weights.

    Returns:
        Vectors ``(1 + fold, model, p)``, statuses ``(1 + fold, model)`` and predictions ``(model, 1 + fold, row)``.
    """
    count, folds = len(models), models[0][0].folds
    filled = [*models, *[models[0]] * (most - count)]  # without weight, so that they cost no step
    features = np.zeros((most, len(folds.train[0]), residual.width))
    for table, (d, expression) in zip(features, models, strict=False):
        table[:, : len(expression.terms)] = expression.features(d.loss)
    y = np.stack([d.score for d, _ in filled])
    weight = np.stack([d.keep for d, _ in filled]) * (np.arange(most) < count)[:, None]
    chance = np.array([e.chance for _, e in filled])
    ceiling = np.array([1.0 if e.ceiling is None else e.ceiling for _, e in filled])
    loc, scale = residual.prior
    starts = np.stack([_starts(residual, features, y, weight, chance, ceiling, r) for r in REACHES], axis=1)
    starts[count:] = loc
    draws = np.concatenate([np.ones_like(folds.train[:1]), folds.train]).astype(float)
    precision = (TYPICAL_NOISE["linear"] / scale) ** 2
    found = solve(
        residual,
        (features, np.broadcast_to(chance[:, None], y.shape), np.broadcast_to(ceiling[:, None], y.shape), y),
        weight.astype(float),
        draws,
        starts,
        anchor=Anchor(*(jnp.asarray(np.tile(v, (len(draws), 1))) for v in (loc, precision))),
        linear=tuple(range(len(loc))) if residual.link == "identity" else (),
        typical=scale,
        settings=settings,
    )
    vector, status = np.asarray(found.vector[:, :count], np.float64), found.status[:, :count]
    eta = vector[:, :, :1] + np.einsum("fmk,mrk->fmr", vector[:, :, 1 : 1 + residual.width], features[:count])
    free = FREE[residual.link].bijector(jnp.asarray(vector[:, :, -1:])) if residual.free else None
    chance, ceiling = (v[None, :count, None] for v in (chance, ceiling))
    predicted = respond(residual.link, jnp.asarray(eta), free, chance, None if residual.free else ceiling)
    return vector, status, np.asarray(predicted, np.float64).swapaxes(0, 1)


@partial(jax.jit, static_argnums=0)
def _starts(
    residual: Tabulated, features: Array, y: Array, weight: Array, chance: Array, ceiling: Array, reach: Array
) -> Array:
    """``(model, p)`` unconstrained starts."""

    def one(features: Array, y: Array, weight: Array, chance: Array, ceiling: Array) -> Array:
        top = None if residual.free else ceiling
        total, free = guess_sum(residual.link, features, y, weight, chance, top, reach)
        return jnp.append(total, FREE[residual.link].bijector.inv(free)) if residual.free else total

    return jax.vmap(one)(features, y, weight, chance, ceiling)


@partial(jax.jit, static_argnums=0)
def _apply(form: Expression, params: Params, x: Array) -> Array:
    """Scores ``(row,)``."""
    return jax.vmap(form.apply, (None, 0))(params, x)
