"""Simulations in lots, which can run side by side: what a lot finds depends on its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.sbc import averages, networks
from benchmarks.sbc.averages import AVERAGE, DESIGN
from benchmarks.sbc.designs import NETWORK, posed
from benchmarks.sbc.simulations import ranks
from benchmarks.sbc.statistics import Ranks

METHODS = ("laplace", "nuts")
EACH, EACH_NETWORK = 50, 10  # simulations of a lot
TEMPERED = "tempered"
SEED = 7


class Lot(NamedTuple):
    """Some of the simulations of one design."""

    design: str
    method: str
    number: int
    simulations: int

    def __str__(self) -> str:
        return f"{self.design}, {self.method}, lot {self.number + 1}"


def lots(designs: Sequence[str], methods: Sequence[str], simulations: int) -> list[Lot]:
    """Those that make up so many simulations of each design by each method."""
    found = []
    for design in designs:
        each = EACH_NETWORK if design == NETWORK else EACH
        sizes = [min(each, simulations - begun) for begun in range(0, simulations, each)]
        found += [Lot(design, m, i, size) for m in methods_of(design, methods) for i, size in enumerate(sizes)]
    return found


def methods_of(design: str, methods: Sequence[str]) -> tuple[str, ...]:
    """How a design is fitted: the default and networks in their own ways."""
    if design == NETWORK:
        return (TEMPERED,)
    return (AVERAGE,) if design == DESIGN else tuple(methods)


def run(lot: Lot) -> tuple[Lot, dict[str, Ranks]]:
    """Simulate, fit, rank."""
    if lot.design == DESIGN:
        return lot, averages.ranks(lot.simulations, SEED + 1000 * lot.number)
    if lot.design == NETWORK:
        return lot, networks.ranks(posed(NETWORK), lot.simulations, SEED + 1000 * lot.number, networks.TEMPERING)
    return lot, ranks(posed(lot.design), lot.simulations, SEED + 1000 * lot.number, lot.method)
