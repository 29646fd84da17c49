"""Which formulas of a task's score to try next: the built-in proposer, and the check of what any proposer returns.

The built-in one proposes baselines first, and then revisions that the critic's findings about the best formula suggest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from flpjax.errors import InputError, did_you_mean
from flpjax.fitting.discovery.critic import Finding
from flpjax.fitting.discovery.history import Entry, History, Proposal, without_scaling
from flpjax.laws.grammar import Expression, Term
from flpjax.laws.tabulated import Link

Proposer = Callable[[History], Sequence[Proposal]]


def propose(history: History) -> list[Proposal]:
    """The built-in proposer: baselines in the first round, then revisions of the best formula so far."""
    best = history.best
    queues = [list(_baselines(history.domains))] if best is None else _responses(best)
    found: dict[Expression, Proposal] = {}
    for rank in range(
        max(len(queue) for queue in queues)
    ):  # the first proposal of every queue before the second of any
        for proposal in (queue[rank] for queue in queues if rank < len(queue)):
            if not history.tried(proposal.expression):
                found.setdefault(without_scaling(proposal.expression), proposal)
    return list(found.values())[: history.per_round]


def _baselines(domains: tuple[str, ...]) -> Iterator[Proposal]:
    """The average loss alone, and all domains' losses, under each link."""
    for link in get_args(Link):
        yield Proposal(Expression((Term("average"),), domains, link), "baseline: average loss")
        if len(domains) > 1:
            each = tuple(Term("domain", (d,)) for d in domains)
            yield Proposal(Expression(each, domains, link), "baseline: all domains")


def _responses(best: Entry) -> list[list[Proposal]]:
    """Queues of proposals: one for each kind of finding about the best formula, and one of its neighbours."""
    queues: dict[str, list[Proposal]] = {}
    for finding in best.findings:
        revised = [Proposal(e, f"{finding.words}: {change}") for e, change in _revisions(best.expression, finding)]
        queues.setdefault(finding.kind, []).extend(revised)
    return [*queues.values(), list(_neighbours(best))]


def _revisions(model: Expression, finding: Finding) -> Iterator[tuple[Expression, str]]:
    """Revisions that a finding suggests, each with its description."""
    if finding.kind in ("domain", "bend", "product") and finding.term is not None:
        yield replace(model, terms=(*model.terms, finding.term)), "add it"
    elif finding.kind in ("sign", "undetermined") and finding.term is not None and len(model.terms) > 1:
        yield replace(model, terms=_terms_without(model, finding.term)), "drop it"
    elif finding.kind in ("curvature", "top"):
        rising = finding.number > 0
        if model.link != "exponential" and rising:
            yield replace(model, link="exponential", ceiling=None), "let it grow exponentially"
        if model.link == "logit" and model.ceiling is None and rising:
            yield replace(model, ceiling=1.0), "let it rise to 1"
        if model.link == "logit" and model.ceiling is not None and not rising:
            yield replace(model, ceiling=None), "fit the ceiling"
    if finding.kind in ("curvature", "top", "bounds") and model.link != "logit":
        yield replace(model, link="logit"), "keep it between chance and a ceiling"


def _neighbours(best: Entry) -> Iterator[Proposal]:
    """Formulas near the best that no finding suggests: one term less, another link, or the average loss as a term."""
    model = best.expression
    unreliable = [f.term for f in best.findings if f.kind in ("sign", "undetermined") and f.term is not None]
    if len(set(unreliable)) > 1 and (kept := _terms_without(model, *unreliable)):
        yield Proposal(
            replace(model, terms=kept), "several slopes have the wrong sign or are undetermined: drop them all"
        )
    for link in get_args(Link):
        if link != model.link:
            yield Proposal(replace(model, link=link, ceiling=None), f"same terms, link {link}")
    if model.link == "logit":
        ceiling, what = (1.0, "a ceiling of 1") if model.ceiling is None else (None, "a ceiling to be fitted")
        yield Proposal(replace(model, ceiling=ceiling), f"same terms, {what}")
    if len(model.terms) > 1:
        for i in np.argsort(np.abs(np.asarray(best.params["slopes"])), kind="stable"):
            term = model.terms[i]
            yield Proposal(
                replace(model, terms=_terms_without(model, term)), f"is {model.term_words(term)} needed? drop it"
            )
    common = {Term("average"), *model.terms}
    if len(common) > len(model.terms) and not {Term("domain", (d,)) for d in model.domains} <= common:
        yield Proposal(replace(model, terms=(Term("average"), *model.terms)), "average loss as a common trend")


def _terms_without(model: Expression, *terms: Term) -> tuple[Term, ...]:
    return tuple(t for t in model.terms if t not in terms)


def checked(answer: Any, history: History) -> list[Proposal]:
    """The proposals that a proposer returned, without those tried before, and with losses centred and scaled.

    Args:
        answer: What the proposer returned.
        history: What it was given.

    Raises:
        InputError: It is not a sequence of proposals whose loss domains the history has.
    """
    where = f"the proposer, task '{history.task.name}', round {history.round}"
    remedy = "Return a list of Proposal(expression, because)"
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise InputError(f"it returned {type(answer).__name__}", where=where, remedy=remedy)
    if not answer and not history.entries:
        raise InputError("it returned no proposal", where=where, remedy="Return at least one in the first round")
    found: dict[Expression, Proposal] = {}
    for item in answer[: history.per_round]:
        if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], Expression)):
            raise InputError(f"{item!r} is no proposal", where=where, remedy=remedy)
        expression, because = item
        if not isinstance(because, str) or not because:
            raise InputError(f"'{expression}' comes without a reason", where=where, remedy="Say why, in words")
        for name in (n for term in expression.terms for n in term.names):
            if name not in history.domains:
                meant = did_you_mean(name, history.domains)
                raise InputError(f"there is no loss domain '{name}'", where=where, remedy=meant)
        standardised = replace(expression, domains=history.domains, chance=history.task.chance, centre=(), spread=())
        if not history.tried(standardised):
            found.setdefault(without_scaling(standardised), Proposal(standardised.centred(history.loss), because))
    return list(found.values())
