"""The methods that ``auto`` weighs against each other: which of them, a ladder's table says."""

from __future__ import annotations

from dataclasses import dataclass

from flpjax.errors import InputError, did_you_mean
from flpjax.predictors.flp import OWN
from flpjax.predictors.methods import method
from flpjax.predictors.mixtures import distinct
from flpjax.predictors.predictor import Predictor
from flpjax.runs.table import AVERAGE, Runs

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
    "m3+domain-linear",
    "mix-chinchilla+domain-linear",
    "m3+domain-average",
    "mix-chinchilla+domain-average",
)
NETWORKS = ("m3+network", "mix-chinchilla+network")
"""Of mixtures, too; their losses are those of others, so that they matter to scores alone."""


@dataclass(frozen=True)
class Auto:
    """All methods that a ladder can carry, blended by how well each forecast the ladder's own larger runs.

    Attributes:
        methods: The methods; () takes those that suit the table.
        via: The loss domain that scores are a function of, for methods that go through one; None takes the first.
    """

    methods: tuple[str, ...] = ()
    via: str | None = None

    def members(self, runs: Runs) -> dict[str, Predictor]:
        """Name → method.

        Raises:
            InputError: There is neither a loss nor a score, or no such method or domain.
        """
        self.known_domain(runs)
        if self.methods:
            return {name: method(name, self.via if "+" in name else None) for name in self.methods}
        chosen: dict[str, Predictor] = {}
        training = runs.training()
        if runs.domains:
            chosen |= {name: method(name, self.via) for name in PLAIN}
            if runs.tasks and set(runs.task_names) <= set(runs.domains):
                chosen |= {f"{name}, own loss": method(name, "own") for name in OWN_LOSS}
            if runs.sources and len(distinct(training.mix)) > 1:
                chosen |= {name: method(name) for name in (*MIXED, *(NETWORKS if runs.tasks else ()))}
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
