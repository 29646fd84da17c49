"""The grammar of laws of losses: sums of exponentials of what features do, and how each is written as a formula.

``E + A·N^−a·D^−b`` is one. A term is the exponential of a sum: of logarithms (powers), of their squares (bowls), and of
products (exponents that change with another feature), straight or levelling off. Shares, which may be 0, stand as they
are, not as logarithms: ``c + k·exp(t·w)`` is the law of mixtures of Ye et al. 2024. Amounts that may be 0, such as rows
of fine-tuning data, are shifted by the least there is: ``A·(D + 200)^−b``, as by the rectified law of Lin et al. 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.laws.formula.formula import FormulaLaw
from flpjax.laws.formula.make import law

Kind = Literal["slope", "square", "product", "saturating", "steep", "break"]
MIX = "mix/"  # before the name of a source
LETTERS = "abcdefgh"
AMOUNT = 100.0  # largest over smallest positive value, of a column that may be 0 and of which logarithms are taken
SATURATES = 0.1  # per e-fold: how fast a coupled exponent levels off (fitted by Farseer: .12 to .28)
STEEP = 3.0  # per s.d. of a column that stands as it is
SHARP = 2.0  # per s.d.: how fast one power gives way to another, but no slower than the shifted power (1 + x)^b
Floats = NDArray[np.float64]


class Monomial(NamedTuple):
    """What a coefficient multiplies in a term's exponent.

    Attributes:
        kind: ``slope`` z_i; ``square`` z_i²; ``product`` z_i·z_j; ``saturating`` u_i·z_j, or u_i if j = i, with
            ``u_i = e^{−z_i/10}``; ``steep`` the same of i alone, but levelling off within the rows; ``break`` a power
            that sets in at the centre: with a slope beside it a smoothly broken power law (Caballero et al. 2023); it
            may level off as the number of experts of Clark et al. 2022 does, ``1/(1/E + 1/E_max)``.
        i: A feature.
        j: Another one.
    """

    kind: Kind
    i: int
    j: int = -1


@dataclass(frozen=True)
class Term:
    """``±e^{a + Σ b·monomial}``; with sign 0 a constant of any sign."""

    monomials: tuple[Monomial, ...] = ()
    sign: int = 1


@dataclass(frozen=True)
class Structure:
    """A law without its numbers: the sum of its terms."""

    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return sum(1 + len(term.monomials) for term in self.terms)

    @property
    def complexity(self) -> int:
        """The same, bowls and breaks counted twice: of all monomials they err most beyond the rows."""
        return self.size + sum(m.kind in ("square", "break") for term in self.terms for m in term.monomials)

    def slots(self) -> Iterator[tuple[int, Monomial | None]]:
        """Term by term: its number, and None for its level, then its monomials."""
        for k, term in enumerate(self.terms):
            yield k, None
            for monomial in term.monomials:
                yield k, monomial

    def same(self) -> tuple[object, ...]:
        """Equal for structures that differ in the order of terms only."""
        return tuple(sorted((t.sign, tuple(sorted(t.monomials))) for t in self.terms))


@dataclass(frozen=True)
class Axis:
    """A feature as structures see it.

    Attributes:
        name: Its column.
        logarithm: Whether z is a logarithm.
        centre: Of the transformed values.
        spread: Their standard deviation.
        shift: What is added before the logarithm is taken, where values may be 0.
        share: Whether values are between 0 and 1.
        levels: How many different values were measured.
    """

    name: str
    logarithm: bool
    centre: float
    spread: float
    shift: float = 0.0
    share: bool = False
    levels: int = 0

    def departure(self, values: Floats) -> Floats:
        """Z of values as a table has them."""
        return (np.log(values + self.shift) if self.logarithm else values) - self.centre


def axis_of(name: str, values: Floats, ahead: Floats | None = None) -> Axis:
    """An axis for a column: logarithms of what is positive and spans more than a factor of 1.5, else values.

    Of amounts that may be 0 and span orders of magnitude, too: plus the smallest there is, and then of a logarithm.

    Args:
        name: The column.
        values: ``(row,)`` as measured.
        ahead: ``(row,)`` of what will be forecast, which has to be positive, too.
    """
    everything = values if ahead is None else np.concatenate([values, ahead])
    shift = 0.0
    if (everything >= 0).all() and (everything == 0).any() and values.max() > 1.0:  # no share
        least = float(values[values > 0].min())
        shift = float(f"{least:.1g}") if values.max() > AMOUNT * least else 0.0
    shifted = values + shift
    logarithm = bool((everything + shift > 0).all() and shifted.max() / shifted.min() > 1.5)
    transformed = np.log(shifted) if logarithm else values
    centre = float(np.mean(transformed))
    centre = float(np.log(float(f"{np.exp(centre):.0e}"))) if logarithm else float(f"{centre:.1g}")
    share = bool((everything >= 0.0).all() and (everything <= 1.0).all())
    return Axis(name, logarithm, centre, float(np.std(transformed)) or 1.0, shift, share, len(np.unique(values)))


def in_sd(axes: Sequence[Axis], columns: Floats) -> Floats:
    """``(row, feature)`` how many s.d. rows of ``columns`` ``(feature, row)`` lie from the centres."""
    return np.stack([axis.departure(v) / axis.spread for axis, v in zip(axes, columns, strict=True)], axis=1)


def basis(axes: Sequence[Axis], columns: Floats, monomial: Monomial | None) -> Floats:
    """``(row,)`` what a slot's coefficient multiplies, in units in which its prior is standard normal.

    Args:
        axes: ``(feature,)``.
        columns: ``(feature, row)`` as the table has them.
        monomial: Of the slot; None for the level of a term.
    """
    if monomial is None:
        return np.ones(columns.shape[1])
    return prior_sd(axes, monomial) * _unit_basis(axes, columns, monomial)


def _unit_basis(axes: Sequence[Axis], columns: Floats, monomial: Monomial) -> Floats:
    """``(row,)`` the monomial, about 1 in size."""
    kind, i, j = monomial
    z = axes[i].departure(columns[i])
    other = axes[j].departure(columns[j]) / axes[j].spread if j >= 0 else np.ones_like(z)
    if kind == "slope":
        return np.asarray(z / axes[i].spread)
    if kind == "square":
        return np.asarray((z / axes[i].spread) ** 2)
    if kind == "product":
        return np.asarray(z / axes[i].spread * other)
    rate = _rate(axes[i], kind)
    if kind == "break":
        return np.asarray(np.logaddexp(0.0, rate * z) / (rate * axes[i].spread))
    saturating = (1.0 - np.exp(-rate * z)) / (rate * axes[i].spread)
    return np.asarray(saturating * (other if j != i else 1.0))


def prior_sd(axes: Sequence[Axis], monomial: Monomial) -> float:
    """Of a coefficient, per s.d. of its monomial: exponents of .5 per e-fold, couplings and bends a third of that."""
    kind, i, _ = monomial
    wide = 0.5 * axes[i].spread if axes[i].logarithm else 1.0
    return wide if kind in ("slope", "break") else 0.3 * max(wide, 0.3)


def _scale(axes: Sequence[Axis], monomial: Monomial) -> float:
    """What a slot's coefficient is multiplied by, to be that of the formula."""
    kind, i, j = monomial
    scale = prior_sd(axes, monomial) / axes[i].spread
    if kind == "square":
        scale /= axes[i].spread
    if kind in ("saturating", "steep", "break"):
        scale /= _rate(axes[i], kind)
    return scale / axes[j].spread if j not in (-1, i) else scale


def _rate(axis: Axis, kind: Kind) -> float:
    """How fast an exponent levels off along an axis, in its transformed unit."""
    within = 1.0 / axis.spread
    if kind == "break":
        return float(f"{max(SHARP * within, 1.0 if axis.logarithm else 0.0):.2g}")
    if kind == "steep":
        return float(f"{within if axis.logarithm else STEEP * within:.2g}")
    return SATURATES if axis.logarithm else float(f"{within:.4g}")


def constants(structure: Structure, axes: Sequence[Axis], vector: Floats) -> dict[str, float]:
    """The numbers of :func:`formula`, from those that were fitted ``(slot,)``."""
    found = {}
    for s, (k, n, monomial) in enumerate(
        (k, n, m) for k, term in enumerate(structure.terms) for n, m in enumerate((None, *term.monomials))
    ):
        term = structure.terms[k]
        if monomial is not None:
            found[f"{LETTERS[(n - 1) % len(LETTERS)]}{k}"] = float(vector[s]) * _scale(axes, monomial)
        else:
            level = float(vector[s]) if term.sign == 0 else float(np.exp(vector[s]))
            found[f"{'A' if term.monomials else 'E'}{k}"] = level
    return found


def formula(structure: Structure, axes: Sequence[Axis]) -> str:
    """A structure as the text of a law, its parameters numbered."""
    terms = [_term(k, term, axes) for k, term in enumerate(structure.terms)]
    return " ".join(("+ " if k and s >= 0 else "- " if s < 0 else "") + t for k, (s, t) in enumerate(terms))


def _term(k: int, term: Term, axes: Sequence[Axis]) -> tuple[int, str]:
    level = f"A{k}" if term.monomials else f"E{k}"
    if not term.monomials:
        return term.sign, level
    powers, inside = [], []
    for n, monomial in enumerate(term.monomials):
        kind, i, j = monomial
        name = f"{LETTERS[n % len(LETTERS)]}{k}"
        x, z = _ratio(axes[i]) if axes[i].logarithm else "", _departure(axes[i])
        if kind == "slope" and axes[i].logarithm:
            powers.append(f"{x}^{name}")
        elif kind == "slope":
            inside.append(f"{name}*{z}")
        elif kind == "square":
            inside.append(f"{name}*{z}^2")
        elif kind == "product":
            inside.append(f"{name}*{z}*{_departure(axes[j])}")
        elif kind == "break":
            rate = _rate(axes[i], kind)
            sharper = "" if rate == 1.0 else f"^{rate:g}"
            powers.append(f"(1 + {x + sharper if x else f'exp({rate:g}*{z})'})^{name}")
        else:
            rate = _rate(axes[i], kind)
            falling = f"(1 - {x}^-{rate:g})" if axes[i].logarithm else f"(1 - exp(-{rate:.4g}*{z}))"
            inside.append(f"{name}*{falling}" + ("" if j in (-1, i) else f"*{_departure(axes[j])}"))
    whole = "*".join([level, *powers])
    return term.sign, f"{whole}*exp({' + '.join(inside)})" if inside else whole


def _ratio(axis: Axis) -> str:
    amount = f"({{{axis.name}}} + {axis.shift:g})" if axis.shift else f"{{{axis.name}}}"
    return f"({amount}/{np.exp(axis.centre):.0e})"


def _departure(axis: Axis) -> str:
    if axis.logarithm:
        return f"log{_ratio(axis)}"
    return f"({{{axis.name}}} {'+' if axis.centre < 0.0 else '-'} {abs(axis.centre):g})"


def as_law(structure: Structure, axes: Sequence[Axis], signed: bool) -> FormulaLaw:
    """A structure as a law that all of flpjax takes."""
    text = formula(structure, axes)
    names = [f"{LETTERS[n % len(LETTERS)]}{k}" for k, t in enumerate(structure.terms) for n in range(len(t.monomials))]
    sources = [axis.name.removeprefix(MIX) for axis in axes if axis.name.startswith(MIX)]
    return law(text, sources=sources, space="linear" if signed else "log", real=names)
