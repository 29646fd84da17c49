"""The laws and maps that names of methods are made of."""

from __future__ import annotations

from flpjax.ladder.select import Selection
from flpjax.laws.domain_sigmoid import DomainSigmoid
from flpjax.laws.hinge import Hinge
from flpjax.laws.law import Law
from flpjax.laws.loss_score import Exponential, FallingSigmoid, Linear, Saturating, Sigmoid
from flpjax.laws.mixture_laws import M3E, BiMix, MixChinchilla, MixExponential
from flpjax.laws.mixture_loss import M2, M3, M4
from flpjax.laws.network import DomainLinear, Network
from flpjax.laws.power_law import Chinchilla, PowerLaw, PowerLawE
from flpjax.laws.power_mix import PowerMix

COMPUTE_LOSS: dict[str, Law] = {
    "power": PowerLaw(),
    "power-e": PowerLawE(),
    "chinchilla": Chinchilla(),
    "chinchilla-tied": Chinchilla(tied=True),
}
REPEATED = "-repeated"
"""Behind the name of a law of compute: read at the tokens that repeated data are worth, where a table has them."""
LOSS_SCORE: dict[str, Law] = {
    "linear": Linear(),
    "sigmoid": Sigmoid(upper=1.0),
    "sigmoid4": Sigmoid(),
    "skill": Sigmoid(upper=1.0, from_zero=True),
    "exponential": Exponential(),
    "saturating": Saturating(),
    "hinge": Hinge(),
    "falling": FallingSigmoid(),
}
FLOOR = 0.01
MIXTURE_LOSS: dict[str, Law] = {
    "m1": PowerLaw(),
    "m2": M2(),
    "m2-floor": M2(floor=FLOOR),
    "m3": M3(),
    "m3-e": M3E(),
    "m4": M4(),
    "m4-floor": M4(floor=FLOOR),
    "mix-exponential": MixExponential(),
    "bimix": BiMix(),
    "bimix-floor": BiMix(floor=FLOOR),
    "mix-chinchilla": MixChinchilla(),
    "mix-power": PowerMix(),
}
DOMAINS_SCORE: dict[str, Law] = {
    "network": Network(),
    "domain-linear": DomainLinear(),
    "domain-average": DomainLinear(average=True),
    "domain-sigmoid": DomainSigmoid(),
}
RECENT = "-recent"
"""Behind the name of a law of mixtures: fitted to the upper half of the ladder only."""
CLOSED_FORM = frozenset({"m1", "m2", "m2-floor", "m4", "m4-floor"})
"""Laws that are solved as they are; the others need their priors where mixtures are few."""
ALL_EMERGED = Selection(improving=False, above_chance=None)
"""For maps that know a chance level themselves: every checkpoint after warm-up."""
