"""The methods that ``auto`` weighs against each other: which of them, a ladder's table says."""

from __future__ import annotations

from dataclasses import dataclass

from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.table import AVERAGE, Runs
from flpjax.methods.flp import OWN
from flpjax.methods.method import Method
from flpjax.methods.mixtures import distinct
from flpjax.methods.registry import method

# By rolling hold-outs inside the training runs of six public ladders and of our own: few methods that err differently.
PLAIN = (
    "power+sigmoid",
    "power+sigmoid4",
    "power+saturating",
    "chinchilla-tied+sigmoid",
    "chinchilla-tied+sigmoid4",
    "chinchilla-tied+saturating",
)
OWN_LOSS = ("power+sigmoid", "chinchilla-tied+sigmoid")
AUTO = "auto"
DIRECT = ("fp-gpt4", "flat")
SCORES_ONLY = ("fp-gpt4-all",)
"""Where no loss is measured: near chance, 'flat' would be alone. By rolling hold-outs of scores of three ladders."""
MIXED = (
    "m3-e+domain-linear",
    "m3-e+domain-sigmoid",
    "mix-chinchilla+domain-linear",
    "mix-chinchilla+domain-sigmoid",
    "m3-e-recent+domain-linear",
    "m3-e-recent+domain-sigmoid",
    "mix-chinchilla-recent+domain-linear",
    "mix-chinchilla-recent+domain-sigmoid",
)
"""Of mixtures: laws with an irreducible loss, of compute and of N and D, from all runs and from the upper half of the
ladder, each with a straight and a bent map to scores; M3, which falls to 0, errs more on the last rungs. Rolling
hold-outs inside our own ladder's training runs chose them (``benchmarks.mixtures.held_out.rolling``)."""


@dataclass(frozen=True)
class Auto:
    """All methods that a ladder can carry, blended by how well each forecast the ladder's own larger runs.

    Attributes:
        methods: The methods; () takes those that suit the table.
        via: The loss domain that scores are a function of, for methods that go through one; None takes the first.
        mixtures: Take methods that know mixtures only, as a search for the best mixture must.
    """

    methods: tuple[str, ...] = ()
    via: str | None = None
    mixtures: bool = False

    def members(self, runs: Runs) -> dict[str, Method]:
        """Name → method.

        Raises:
            InputError: There is neither a loss nor a score, or no such method or domain.
        """
        self.known_domain(runs)
        if self.methods:
            return {name: method(name, self.via if "+" in name else None) for name in self.methods}
        if self.mixtures:
            return {name: method(name) for name in MIXED}
        chosen: dict[str, Method] = {}
        training = runs.training()
        if runs.domains:
            chosen |= {name: method(name, self.via) for name in PLAIN}
            if runs.tasks and set(runs.task_names) <= set(runs.domains):
                chosen |= {f"{name}, own loss": method(name, "own") for name in OWN_LOSS}
            if runs.sources and len(distinct(training.mix)) > 1:
                chosen |= {name: method(name) for name in MIXED}
        if runs.tasks:
            chosen |= {name: method(name) for name in (*DIRECT, *(() if runs.domains else SCORES_ONLY))}
        if not chosen:
            raise InputError(
                "there is neither a column 'loss/<domain>' nor 'score/<task>'",
                where=runs.source,
                remedy="Add losses or scores: there is nothing to forecast",
            )
        return chosen

    def known_domain(self, runs: Runs) -> None:
        """Refuse a misspelt domain, or own losses without tasks: no method through it would take part, others would."""
        domains = runs.general_domains
        if self.via == OWN and not runs.tasks:
            raise InputError(
                "there is no column 'score/<task>', whose own loss a score goes through",
                where=runs.source,
                remedy=f"Leave '{OWN}' out: losses are forecast without",
            )
        if self.via not in (None, OWN, AVERAGE, *domains):
            raise InputError(
                f"there is no loss domain '{self.via}'", where=runs.source, remedy=did_you_mean(str(self.via), domains)
            )
