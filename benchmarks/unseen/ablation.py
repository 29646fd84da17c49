"""``auto`` with one of its parts taken away, or one more: what each is worth on the panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from flpjax import Auto, Runs
from flpjax.fitting.averaging import hyperpriors
from flpjax.laws import discrepancy
from flpjax.methods.registry import PLAIN_MAPS, REPEATED

VAGUE = 50.0  # s.d. of a logarithm that says nothing


class Variant(NamedTuple):
    """What is different.

    Attributes:
        departs: Whether laws have a discrepancy.
        vague: Whether hyperpriors say nothing.
        shares: Of the axes of a discrepancy; None leaves them.
        one_law: Whether one law and one map are all.
        without: A law that takes no part.
        maps: To scores; () leaves them.
    """

    departs: bool = True
    vague: bool = False
    shares: Mapping[str, float] | None = None
    one_law: bool = False
    without: str = ""
    maps: tuple[str, ...] = ()

    def methods(self, runs: Runs) -> Auto:
        """The laws and maps that take part."""
        if not (self.one_law or self.without or self.maps) or not runs.domains:
            return Auto()
        if self.maps:
            names = [name for name in Auto().members(runs) if "," not in name]
            plain = dict.fromkeys(name.partition("+")[0] for name in names if name.partition("+")[2] in PLAIN_MAPS)
            others = [name for name in names if name.partition("+")[2] not in PLAIN_MAPS]
            return Auto(methods=(*(f"{law}+{score}" for law in plain for score in self.maps), *others))
        names = [name for name in Auto().members(runs) if "+" in name]
        laws = {name: name.partition("+")[0].removesuffix(REPEATED) for name in names}
        if self.one_law:
            law, score = ("mix-chinchilla", "domain-sigmoid") if runs.sources else ("chinchilla", "sigmoid4")
            return Auto(methods=tuple(n for n in names if laws[n] == law and n.partition("+")[2] == score))
        return Auto(methods=tuple(name for name in names if laws[name] != self.without))


VARIANTS: Mapping[str, Variant] = {
    "no-discrepancy": Variant(departs=False),
    "along-compute-alone": Variant(shares={"flops": 1.0}),
    "not-along-ratio": Variant(shares={name: v for name, v in discrepancy.SHARES.items() if name != discrepancy.RATIO}),
    "no-chinchilla": Variant(without="chinchilla"),
    "one-law": Variant(one_law=True),
    "vague-hyperpriors": Variant(vague=True),
    "no-hinge": Variant(maps=tuple(name for name in PLAIN_MAPS if name != "hinge")),
    "with-sigmoid": Variant(maps=(*PLAIN_MAPS, "sigmoid")),
}


@contextmanager
def changed(variant: Variant) -> Iterator[None]:
    """While this lasts, ``auto`` is the variant."""
    usual, shares = dict(hyperpriors.OF), dict(discrepancy.SHARES)
    try:
        for space, prior in usual.items():
            if not variant.departs:
                prior = prior._replace(amplitude=prior.amplitude[:1])
            if variant.vague:
                prior = prior._replace(
                    amplitude_prior=(prior.amplitude_prior[0], VAGUE),
                    noise_prior=(prior.noise_prior[0], VAGUE),
                    growth_sd=VAGUE,
                    none=1.0 / len(prior.amplitude),
                )
            hyperpriors.OF[space] = prior
        if variant.shares is not None:
            discrepancy.SHARES.clear()
            discrepancy.SHARES.update(variant.shares)
        yield
    finally:
        hyperpriors.OF.update(usual)
        discrepancy.SHARES.clear()
        discrepancy.SHARES.update(shares)
