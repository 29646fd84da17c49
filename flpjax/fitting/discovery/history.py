"""The formulas tried on a task, their fits and log scores, and which to keep: all that a proposer may know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.engine.settings import Status
from flpjax.fitting.discovery.critic import Criticism, Finding
from flpjax.ladder.table import Floats
from flpjax.ladder.tasks import Task
from flpjax.laws.grammar import Expression, format_number
from flpjax.laws.law import Params, size

FINDINGS_SHOWN = 4  # findings of a model that a proposer is told in words
LINE_WIDTH = 158  # characters of a printed entry, beyond which the reason gets a line of its own


class Proposal(NamedTuple):
    """A model to try, and why."""

    expression: Expression
    because: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One model that was tried on one task. Printed: round, held-out log score, formula, and why it was tried.

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
        """Held out, nats per checkpoint; NaN where a fit failed, or there was nothing to hold out."""
        return float("nan") if self.criticism is None else self.criticism.held.mean

    @property
    def stderr(self) -> float:
        """Of the log score."""
        return float("nan") if self.criticism is None else self.criticism.held.stderr

    @property
    def judged(self) -> bool:
        """Whether there is a log score."""
        return bool(np.isfinite(self.log_score))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The deficiencies that the critic found, the strongest first."""
        if self.criticism is None:
            return (Finding("fit", f"a fit did not converge: {self.status.advice}", 0.0),)
        return self.criticism.findings

    def __str__(self) -> str:
        score = f"{format_number(self.log_score, '6.2f')} ± {self.stderr:.2f}" if self.judged else "not judged"
        head = f"{self.round}  {score:<14}  "
        why = self.because if self.criticism is not None else f"{self.because}; {self.findings[0].words}"
        line = f"{head}{self.formula}"
        return f"{line}  | {why}" if len(line) + len(why) + 4 <= LINE_WIDTH else f"{line}\n{' ' * len(head)}| {why}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "round": self.round,
            "task": self.task,
            "formula": self.formula,
            "because": self.because,
            "log_score": self.log_score if self.judged else None,
            "stderr": self.stderr if self.judged else None,
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
        lines = [f"{self.task.name}: chance {self.task.chance:g}, losses of {', '.join(self.domains)}"]
        for entry in self.entries:
            lines += [f"round {entry}", *(f"    - {f.words}" for f in entry.findings[:FINDINGS_SHOWN])]
        return "\n".join(lines)

    def tried(self, expression: Expression) -> bool:
        """Whether these terms were tried under this link."""
        return without_scaling(expression) in {without_scaling(e.expression) for e in self.entries}


def choose(entries: Sequence[Entry]) -> Entry | None:
    """The simplest of those within one standard error (of the difference) of the best held-out log score."""
    judged_entries = [(e, e.criticism) for e in entries if e.criticism is not None and e.judged]
    if not judged_entries:
        return None
    best = max(judged_entries, key=lambda s: s[0].log_score)[1]
    advantage = [best.ahead_of(c) for _, c in judged_entries]
    as_good = [e for (e, c), a in zip(judged_entries, advantage, strict=True) if c is best or a.mean <= a.stderr]
    return min(as_good, key=lambda e: (size(e.expression), -e.log_score))


def without_scaling(expression: Expression) -> Expression:
    """The expression without centre and scale and with sorted terms: equal for two expressions of the same formula."""
    terms = tuple(sorted(expression.terms, key=lambda t: (t.kind, t.names, t.knot)))
    return Expression(terms, expression.domains, expression.link, ceiling=expression.ceiling)
