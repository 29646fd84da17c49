"""Methods by name: the paper's, its baselines, and any form of stage 1 with any of stage 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flpjax.errors import InputError, did_you_mean
from flpjax.forms.form import Form
from flpjax.forms.loss_score import Exponential, Linear, Sigmoid
from flpjax.forms.power_law import Chinchilla, LogPowerLaw, PowerLaw, PowerLawE
from flpjax.predictors.direct import FP
from flpjax.predictors.flp import FLP, OWN
from flpjax.predictors.predictor import Predictor
from flpjax.runs.select import Selection

COMPUTE_LOSS: dict[str, Form] = {
    "power": PowerLaw(),
    "power-e": PowerLawE(),
    "chinchilla": Chinchilla(),
    "chinchilla-tied": Chinchilla(tied=True),
}
LOSS_SCORE: dict[str, Form] = {
    "linear": Linear(),
    "sigmoid": Sigmoid(upper=1.0),
    "sigmoid4": Sigmoid(),
    "exponential": Exponential(),
}
ALL_EMERGED = Selection(improving=False, above_chance=None)
"""For maps that know a chance level themselves: every checkpoint after warm-up."""

NAMED: dict[str, Callable[[], Predictor]] = {
    "flp": FLP,
    "fp": FP,
    "fp-gpt4": lambda: FP(LogPowerLaw()),
    "llama3": lambda: two_stages("power", "sigmoid", via=OWN),
}
"""The methods of Chen et al. 2024: FLP, FP (eq. 3), FP in GPT-4's form (eq. 6), and Llama 3's two stages."""

DEFAULT = "flp"
COMPARED = ("flp", "chinchilla+sigmoid", "power-e+sigmoid", "fp", "fp-gpt4", "llama3")
"""What a backtest compares unless told otherwise."""


def two_stages(compute_loss: str, loss_score: str, via: str | None = None) -> FLP:
    """FLP with other forms, priors weighed in. The linear map takes emerged checkpoints, the others take all."""
    selection = Selection(monotone=True) if loss_score == "linear" else ALL_EMERGED
    return FLP(COMPUTE_LOSS[compute_loss], LOSS_SCORE[loss_score], via=via, selection=selection, prior=True)


def method(name: str, via: str | None = None) -> Predictor:
    """The method of this name: one of :data:`NAMED`, or ``stage1+stage2`` such as ``chinchilla+sigmoid``.

    Args:
        name: The method.
        via: The loss domain that scores are a function of, for methods with two stages.

    Raises:
        InputError: There is no such method.
    """
    first, plus, second = name.partition("+")
    if plus and first in COMPUTE_LOSS and second in LOSS_SCORE:
        return two_stages(first, second, via)
    if name in NAMED:
        predictor = NAMED[name]()
        if via is None:
            return predictor
        if isinstance(predictor, FLP) and predictor.via is None:
            return replace(predictor, via=via)
        raise InputError(f"method '{name}' does not go through a loss domain of choice", remedy="Leave the domain out")
    combined = [f"{a}+{b}" for a in COMPUTE_LOSS for b in LOSS_SCORE]
    remedy = did_you_mean(name, [*NAMED, *combined])
    if not remedy.startswith("Did"):
        remedy = (
            f"There is: {', '.join(NAMED)}, or STAGE1+STAGE2 with {', '.join(COMPUTE_LOSS)} and {', '.join(LOSS_SCORE)}"
        )
    raise InputError(f"there is no method '{name}'", remedy=remedy)
