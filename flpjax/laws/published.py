"""Published laws over other columns than N and D, each a line: what it is of, and who fitted it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flpjax.errors import InputError, did_you_mean
from flpjax.laws.formula.formula import FormulaLaw
from flpjax.laws.formula.make import law
from flpjax.laws.law import Space


@dataclass(frozen=True)
class PublishedLaw:
    """A law from the literature.

    Attributes:
        formula: As :func:`flpjax.law` takes it. Features in braces are columns ``x/<name>`` of a table.
        topic: What it is about.
        source: Where it was published.
        space: Of its residuals.
        huber: Corner of the Huber loss on them that it is fitted with here; None for squares.
        constants: Symbol → published value, where one is used here.
    """

    formula: str
    topic: str
    source: str
    space: Space = "log"
    huber: float | None = None
    constants: Mapping[str, float] = field(default_factory=dict)


HUBER_DELTA = 1e-3
"""Of log losses: that of Hoffmann et al. 2022. Of other losses there is no custom."""
UNIQUE, SHARE = "min(D, {unique_tokens})", "min(0.051*{unique_tokens}, N)"
BOWL = "k*(log({lr}) - c0 - c1*log(N) - c2*log(D) - c3*log({batch}))^2 + q*(log({batch}) - d0 - d1*log(D))^2"

PUBLISHED = {
    "repeated": PublishedLaw(
        f"E + A*({SHARE}*(1 + rn*(1 - exp(-(N/{SHARE} - 1)/rn))))^-alpha"
        f" + B*({UNIQUE}*(1 + rd*(1 - exp(-(D/{UNIQUE} - 1)/rd))))^-beta",
        "repeated data: tokens beyond the unique ones, and parameters beyond what these feed, are worth less and less",
        "Muennighoff et al. 2023, eq. 5 to 7; .051 parameters a unique token",
        huber=HUBER_DELTA,
        constants={"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "beta": 0.353, "rn": 5.3, "rd": 15.4},
    ),
    "farseer": PublishedLaw(
        "exp(e0 + e1*N^e2) + exp(a0 + a1*N^a2)*D^-exp(b0 + b1*N^b2)",
        "exponents and levels that change with size",
        "Li et al. 2025, arXiv 2506.10972",
        huber=HUBER_DELTA,
    ),
    "over-training": PublishedLaw(
        "E + (a*(D/N)^eta + b*(D/N)^-eta)*C^-eta",
        "models trained on more tokens than is optimal",
        "Gadre et al. 2024, eq. 4",
    ),
    "experts": PublishedLaw(
        "exp(d + a*log(N) + b*log(1/(1/({experts} - 1 + k) + q)) + c*log(N)*log(1/(1/({experts} - 1 + k) + q)))",
        "routed models: N parameters of the dense part, a number of experts whose use saturates",
        "Clark et al. 2022, eq. 1 and section 5",
    ),
    "experts-e": PublishedLaw(
        "E + exp(d + a*log(N) + b*log({experts}) + c*log(N)*log({experts}))",
        "the same, without saturation and with an irreducible loss",
        "after Clark et al. 2022; Krajewski et al. 2024 add such a constant",
    ),
    "sparsity": PublishedLaw(
        "E + A*N^-alpha + B*D^-beta + c*{density}^-lam + d*{density}^-delta*N^-gamma",
        "mixtures of experts: N total parameters, the share of them that is active",
        "Abnar et al. 2025, eq. 5",
        huber=HUBER_DELTA,
    ),
    "vocabulary": PublishedLaw(
        "A1*N^-alpha1 + A2*{vocabulary}^-alpha2 + B*D^-beta - E",
        "size of the vocabulary; losses normalised by unigrams, which are negative",
        "Tao et al. 2024, eq. 3",
        space="linear",
    ),
    "vocabulary-characters": PublishedLaw(
        "A1*N^-alpha1 + A2*{vocabulary}^-alpha2 - E + B*(D*"
        "(0.0064*log({vocabulary})^2 - 0.1581*log({vocabulary}) + 1.2047))^-beta",
        "the same where D are characters: tokens by how well a vocabulary compresses",
        "Tao et al. 2024, eq. 3, with the compression of its appendix",
        space="linear",
    ),
    "step-law": PublishedLaw(
        f"E + A*N^-alpha + B*D^-beta*(1 + {BOWL})",
        "learning rate and batch (tokens): a bowl on what tokens are worth, whose lowest point moves with N and D, and "
        "in the rate also with the batch",
        "the power laws of the optimum are those of Li et al. 2025, arXiv 2503.04715, eq. 1; the bowl is ours",
        huber=HUBER_DELTA,
        constants={"c0": 0.582, "c1": -0.713, "c2": 0.307, "c3": 0.0, "d0": -0.545, "d1": 0.571},
    ),
    "precision": PublishedLaw(
        "E + A*(N*(1 - exp(-{weight_bits}/g)))^-alpha + B*D^-beta",
        "weights of few bits, which count as fewer parameters",
        "Kumar et al. 2025, eq. 3",
        huber=HUBER_DELTA,
    ),
}
"""Laws by name. Tokens of repeated data alone, under any law, are :mod:`flpjax.laws.repeated`."""


def published_law(name: str) -> FormulaLaw:
    """A published law, to be fitted to your runs.

    Args:
        name: A key of :data:`PUBLISHED`.

    Raises:
        InputError: There is none of this name.
    """
    if name not in PUBLISHED:
        raise InputError(f"there is no published law '{name}'", remedy=did_you_mean(name, PUBLISHED))
    known = PUBLISHED[name]
    return law(known.formula, space=known.space, huber=known.huber)
