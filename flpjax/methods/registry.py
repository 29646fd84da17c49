"""Methods by name: the paper's, its baselines, any law of stage 1 with any of stage 2, and those of ``auto``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flpjax.errors import InputError, did_you_mean, shown
from flpjax.ladder.falling import falling_tasks
from flpjax.ladder.select import Selection
from flpjax.ladder.table import AVERAGE, Runs
from flpjax.laws.law import Law, space_of
from flpjax.laws.loss_score import FallingSigmoid
from flpjax.laws.power_law import Flat, LogPowerLaw
from flpjax.laws.repeated import Repeated, repeats
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP, OWN
from flpjax.methods.flpm import FLPM
from flpjax.methods.inputs import law_for
from flpjax.methods.method import Method
from flpjax.methods.mixtures import distinct
from flpjax.methods.named_laws import ALL_EMERGED as ALL_EMERGED
from flpjax.methods.named_laws import CLOSED_FORM as CLOSED_FORM
from flpjax.methods.named_laws import COMPUTE_LOSS as COMPUTE_LOSS
from flpjax.methods.named_laws import DOMAINS_SCORE as DOMAINS_SCORE
from flpjax.methods.named_laws import FLOOR as FLOOR
from flpjax.methods.named_laws import LOSS_SCORE as LOSS_SCORE
from flpjax.methods.named_laws import MIXTURE_LOSS as MIXTURE_LOSS
from flpjax.methods.named_laws import RECENT as RECENT
from flpjax.methods.named_laws import REPEATED as REPEATED

NAMED: dict[str, Callable[[], Method]] = {
    "flp": FLP,
    "flp-average": lambda: FLP(via=AVERAGE),
    "flp-m": FLPM,
    "fp": FP,
    "fp-gpt4": lambda: FP(LogPowerLaw()),
    "fp-gpt4-all": lambda: FP(LogPowerLaw(), above_chance=None),
    "flat": lambda: FP(Flat(), above_chance=None),
    "llama3": lambda: two_stages("power", "sigmoid", via=OWN),
}
"""The methods of Chen et al. 2024: FLP, through one loss or the average loss; FLP-M; FP (eq. 3), FP in GPT-4's form
(eq. 6), and Llama 3's two stages."""

DEFAULT_MIX = "mix-chinchilla-recent+domain-sigmoid"
"""Where one law of mixtures is asked for and none is named; ``auto`` weighs several."""
COMPARED = ("auto", "flp", "chinchilla+sigmoid", "power-e+sigmoid", "fp", "fp-gpt4", "llama3")
"""What a backtest compares unless told otherwise, of a table with losses, scores and each task's own loss."""
MIXTURES_COMPARED = ("m3+domain-linear",)


def compared(runs: Runs) -> tuple[str, ...]:
    """What a backtest of this table compares unless told otherwise: those of :data:`COMPARED` that its columns allow.

    On a ladder of several mixtures a law of mixtures joins them.
    """
    own = bool(runs.tasks) and set(runs.task_names) <= set(runs.domains)
    mixed = bool(runs.sources) and len(distinct(runs.training().finals().mix)) > 1
    allowed = {"auto": True, "fp": bool(runs.tasks), "fp-gpt4": bool(runs.tasks), "llama3": own}
    names = [name for name in COMPARED if allowed.get(name, bool(runs.domains))]
    return (*names, *(MIXTURES_COMPARED if mixed and runs.domains else ()))


Laws = Mapping[str, Law]
"""Laws of your own by name, as :func:`flpjax.law` makes them."""


def law_of_compute(name: str, laws: Laws | None = None) -> Law:
    """Yours by name; or a key of :data:`COMPUTE_LOSS`, with :data:`REPEATED` behind it if data are repeated."""
    if laws and name in laws:
        return laws[name]
    plain = name.removesuffix(REPEATED)
    return COMPUTE_LOSS[plain] if plain == name else Repeated(COMPUTE_LOSS[plain])


def two_stages(compute_loss: str, loss_score: str, via: str | None = None, laws: Laws | None = None) -> FLP:
    """FLP with other laws, priors weighed in. The linear map takes emerged checkpoints, the others take all."""
    selection = Selection(monotone=True) if loss_score == "linear" else ALL_EMERGED
    first, second = law_of_compute(compute_loss, laws), {**LOSS_SCORE, **(laws or {})}[loss_score]
    space = space_of(first)
    huber, skill = getattr(first, "huber", None), loss_score == "skill"
    return FLP(first, second, via, selection, space, huber, prior=True, skill=skill)


def mixed_stages(compute_loss: str, loss_score: str, laws: Laws | None = None) -> FLPM:
    """FLP-M with other laws; priors are weighed in where a law is not solved in closed form, or a score has bounds.

    Args:
        compute_loss: A key of :data:`MIXTURE_LOSS`, with :data:`RECENT` behind it for the upper half of the ladder; or
            of ``laws``.
        loss_score: A key of :data:`DOMAINS_SCORE`.
        laws: Laws of your own, and maps.
    """
    known = {**MIXTURE_LOSS, **(laws or {})}
    law, score = compute_loss.removesuffix(RECENT), {**DOMAINS_SCORE, **(laws or {})}[loss_score]
    bounded = getattr(score, "levels_off", False)  # asymptotes that small models never come near
    selection = ALL_EMERGED if bounded else Selection()
    prior, recent = bounded or law not in CLOSED_FORM, law != compute_loss
    own, space = known[law], space_of(known[law])
    huber = getattr(own, "huber", None)
    return FLPM(own, score, selection=selection, space=space, huber=huber, prior=prior, recent=recent)


def method(name: str, via: str | None = None, laws: Laws | None = None) -> Method:
    """The method of this name: one of :data:`NAMED`, or ``stage1+stage2`` such as ``chinchilla+sigmoid``.

    Args:
        name: The method. A law alone, yours or one of ours, is that law and the sigmoid from its losses to scores.
        via: The loss domain that scores are a function of, for methods with two stages that go through one.
        laws: Laws of your own, by the names that stand for them as stage 1; those that read no features, maps from
            losses to scores, as stage 2.

    Raises:
        InputError: There is no such method, or a law has the name of one of ours.
    """
    laws = laws or {}
    check_law_names(laws)
    maps = {own for own, law in laws.items() if not law.inputs()}
    losses = {*laws} - maps
    first, plus, second = name.partition("+")
    if name in losses or name.removesuffix(REPEATED) in COMPUTE_LOSS:
        first, plus, second = name, "+", "sigmoid"
    if plus and (first.removesuffix(REPEATED) in COMPUTE_LOSS or first in losses) and second in {*LOSS_SCORE, *maps}:
        return two_stages(first, second, via, laws)
    chosen_method: Method | None = NAMED[name]() if name in NAMED else None
    if plus and (first.removesuffix(RECENT) in MIXTURE_LOSS or first in losses) and second in {*DOMAINS_SCORE, *maps}:
        chosen_method = mixed_stages(first, second, laws)
    if chosen_method is None:
        raise InputError(f"there is no method '{name}'", remedy=_remedy(name, laws))
    if via is None:
        return chosen_method
    if isinstance(chosen_method, FLP) and chosen_method.via is None:
        return replace(chosen_method, via=via)
    raise InputError(f"method '{name}' does not go through a loss domain of choice", remedy="Leave the domain out")


def check_law_names(laws: Laws) -> None:
    """Refuse a law with a name that means something else, or can't be part of a method's.

    Raises:
        InputError: There is one.
    """
    for name, law in laws.items():
        if not hasattr(law, "inputs"):
            raise InputError(
                f"{shown(law)} is no law", where=f"laws, '{name}'", remedy="Make one: flpjax.law('E+A*N^-a')"
            )
        if name in {*COMPUTE_LOSS, *MIXTURE_LOSS, *LOSS_SCORE, *DOMAINS_SCORE, *NAMED, AUTO} or not name or "+" in name:
            why = "has '+' in it" if "+" in name else "is taken" if name else "is empty"
            raise InputError(f"the name '{name}' of a law {why}", where="laws", remedy="Call it something else")


def _remedy(name: str, laws: Laws) -> str:
    """The nearest name, or all there are."""
    families = (({**COMPUTE_LOSS, **laws}, LOSS_SCORE), (MIXTURE_LOSS, DOMAINS_SCORE))
    remedy = did_you_mean(name, [*NAMED, *(f"{a}+{b}" for one, two in families for a in one for b in two)])
    if remedy.startswith("Did"):
        return remedy
    pairs = [f"{', '.join(one)} and {', '.join(two)}" for one, two in families]
    return (
        f"There is: {', '.join(NAMED)}; STAGE1+STAGE2 with {pairs[0]}; for mixtures, with {pairs[1]}; "
        f"{RECENT} behind such a law fits the ladder's upper half"
    )


LOSS_LAWS = ("power", "chinchilla-tied", "chinchilla")
PLAIN_MAPS = ("sigmoid4", "saturating", "hinge")
PLAIN = tuple(f"{law}+{score}" for law in LOSS_LAWS for score in PLAIN_MAPS)
"""Laws of losses that err differently, and maps of scores that do."""
AUTO = "auto"
SCORES_ONLY = ("fp-gpt4", "fp-gpt4-all", "flat")
"""Where no loss is measured; near chance, 'flat' would be alone without one that takes all runs."""
MIXED_MAPS = ("domain-linear", "domain-sigmoid")
MIXED = tuple(f"{law}+{score}" for law in ("m3-e", "mix-chinchilla") for score in MIXED_MAPS)
"""Of mixtures: laws with an irreducible loss, of compute and of N and D, each with a straight and a bent map to scores;
M3, which falls to 0, errs more on the last rungs. Rolling
hold-outs inside our own ladder's training runs chose them (``benchmarks.mixtures.held_out.rolling``)."""


@dataclass(frozen=True)
class Auto:
    """All laws and maps that a ladder can carry, each with a discrepancy, averaged by their evidence.

    Attributes:
        methods: The methods; () takes those that suit the table.
        via: The loss domain that scores are a function of, for methods that go through one; None takes the first.
        mixtures: Take methods that know mixtures only, as a search for the best mixture must.
        laws: ``(law,)`` laws of your own, with their names, which are averaged with ours.
    """

    methods: tuple[str, ...] = ()
    via: str | None = None
    mixtures: bool = False
    laws: tuple[tuple[str, Law], ...] = ()

    def __post_init__(self) -> None:
        check_law_names(dict(self.laws))
        for name, law in self.laws:
            if getattr(law, "trained", False) or not law.inputs():
                what = "is a network, which has no evidence" if law.inputs() else "is a map from losses to scores"
                raise InputError(
                    f"law '{name}' {what}: auto can't average it with others",
                    where="laws",
                    remedy=f"Fit it by a method of its own, '{name if law.inputs() else f'chinchilla+{name}'}'",
                )

    def members(self, runs: Runs) -> dict[str, Method]:
        """Name → method.

        Raises:
            InputError: There is neither a loss nor a score, or no such method or domain.
        """
        self.known_domain(runs)
        laws = dict(self.laws)
        if self.methods:
            return {name: method(name, self.via if "+" in name else None, laws) for name in self.methods}
        if self.mixtures:
            for name, law in laws.items():
                if "mix" not in law_for(law, runs).inputs():
                    raise InputError(
                        f"law '{name}' reads no mixture",
                        where=runs.source,
                        remedy=f"Use the names of sources in it: {', '.join(runs.sources)}",
                    )
            names = (*MIXED, *(f"{name}+{score}" for name in laws for score in MIXED_MAPS))
            return {name: method(name, laws=laws) for name in names}
        chosen: dict[str, Method] = {}
        training = runs.training()
        if runs.domains:
            suffix = REPEATED if repeats(training.features, training.tokens) else ""
            plain = [f"{law}{suffix}+{score}" for law, _, score in (name.partition("+") for name in PLAIN)]
            chosen |= {name: method(name, self.via) for name in plain}
            for name, law in laws.items():
                mixed = "mix" in law_for(law, runs).inputs()
                for score in MIXED_MAPS if mixed else PLAIN_MAPS:
                    full = f"{name}+{score}"
                    chosen[full] = method(full, None if mixed else self.via, laws)
            chosen |= self._falling(training, suffix)
            if runs.tasks and set(runs.task_names) <= set(runs.domains):
                chosen |= {
                    f"{law}{suffix} (own loss)": FLP(law_of_compute(law + suffix), via=OWN, prior=True, scores=False)
                    for law in LOSS_LAWS
                }
            if runs.sources and len(distinct(training.mix)) > 1:
                chosen |= {name: method(name) for name in MIXED}
        if runs.tasks and not runs.domains:
            chosen |= {name: method(name) for name in SCORES_ONLY}
        if not chosen:
            raise InputError(
                "there is neither a column 'loss/<domain>' nor 'score/<task>'",
                where=runs.source,
                remedy="Add losses or scores: there is nothing to forecast",
            )
        return chosen

    def _falling(self, training: Runs, suffix: str) -> dict[str, Method]:
        """Maps that fall to chance, or to the lowest score if that is below, for the tasks that fall with compute."""
        ends: dict[float, list[str]] = {}
        for task in falling_tasks(training.finals()):
            ends.setdefault(task.lower, []).append(task.task)
        first = LOSS_LAWS[0] + suffix
        return {
            f"{first}+falling to {100 * end:.4g}": FLP(
                law_of_compute(first), FallingSigmoid(end), self.via, ALL_EMERGED, prior=True, tasks=tuple(tasks)
            )
            for end, tasks in ends.items()
        }

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
