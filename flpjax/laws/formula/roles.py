"""What each parameter of a formula does: a level, an exponent, an offset. That gives its support and its prior."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple

from flpjax.laws.formula.tree import (
    Call,
    Input,
    Node,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    children,
    may_vanish,
    sign_of,
    walk,
)

Unit = Literal["output", "exponent", "relative", "log"]
"""What a part of a formula is measured in: losses; an exponent; multiples of something else; logarithms."""


@dataclass(frozen=True)
class Role:
    """What one parameter does.

    Attributes:
        kind: ``level`` multiplies a term; ``offset`` is added where logarithms or signed terms are summed; ``constant``
            is added to terms of one sign; ``exponent``; ``share`` stands as p and as 1 − p; ``weight``: anything else.
        unit: Of the part that it stands in.
        support: ``positive``, ``real`` or ``unit``.
        rest: Of a level, the product without it; of an offset, the sum without it. At the ladder's centre it says how
            the fitted number relates to the formula's. None where the two are the same.
        side: 1 if a level stands above the line, −1 below it.
        outer: The exponent to which a level's product is raised, or None.
        terms: How many terms share the unit.
        top: Whether it is a level or constant of the formula's outermost sum, in which the value is then affine.
        of_sum: Whether an exponent's base is a sum without a number: it is about 1 then, not a third.
    """

    kind: Literal["level", "offset", "constant", "exponent", "share", "weight"]
    unit: Unit
    support: Literal["positive", "real", "unit"]
    rest: Node | None = None
    side: int = 1
    outer: Node | None = None
    terms: int = 1
    top: bool = False
    of_sum: bool = False

    @property
    def part(self) -> Node:
        """The rest, of a role that has one."""
        assert self.rest is not None
        return self.rest


class Roles(NamedTuple):
    """What :func:`roles_of` finds."""

    of: dict[str, Role]
    confounded: tuple[tuple[str, ...], ...]  # parameters that only multiply, or add to, each other


def roles_of(tree: Node, signed: bool, real: frozenset[str], positive: frozenset[str]) -> Roles:
    """Parameter → role, those first on which others depend.

    Args:
        tree: The formula.
        signed: Whether values may be negative, so that a constant may.
        real: Parameters that may be negative, whatever their role says.
        positive: Parameters that may not.
    """
    reader = _Roles(tree, signed, real, positive)
    reader.visit(tree, "output", top=True, terms=_terms(tree))
    found = {name: reader.roles.get(name) or reader.plain(name) for name in reader.order()}
    return Roles(dict(sorted(found.items(), key=lambda item: item[1].rest is not None)), tuple(reader.confounded))


def _terms(tree: Node) -> int:
    return len(tree.terms) if isinstance(tree, Sum) else 1


class _Roles:
    """The roles found so far, in the order in which they were."""

    def __init__(self, tree: Node, signed: bool, real: frozenset[str], positive: frozenset[str]) -> None:
        self.count = Counter(node.name for node in walk(tree) if isinstance(node, Symbol))
        self.signed, self.real = signed, real
        self.confounded: list[tuple[str, ...]] = []
        self.shares = {
            term.name
            for node in walk(tree)
            if isinstance(node, Sum) and len(node.terms) == 2 and node.terms[0] == (1, Number(1.0))
            for sign, term in node.terms[1:]
            if sign < 0 and isinstance(term, Symbol) and self.count[term.name] > 1
        }
        self.positive = frozenset((_never_negative(tree) | positive | self.shares) - real)
        self.forced = positive
        self.roles: dict[str, Role] = {name: Role("share", "relative", "unit") for name in sorted(self.shares)}

    def order(self) -> list[str]:
        """All parameters: those with a role in the order in which they were found, then the others."""
        return [*self.roles, *(name for name in self.count if name not in self.roles)]

    def plain(self, name: str) -> Role:
        """The role of a parameter that has no other."""
        return Role("weight", "relative", "positive" if name in self.positive else "real")

    def visit(self, node: Node, unit: Unit, *, top: bool = False, terms: int = 1, outer: Node | None = None) -> None:
        """Find the roles in a part; what lies deeper comes first, since levels above it depend on it."""
        match node:
            case Sum():
                self._sum(node, unit, top, terms)
            case Product():
                self._product(node, unit, top, terms, outer)
            case Power(base, exponent):
                self._exponent(exponent, base)
                lifted = isinstance(base, Product | Symbol) and outer is None
                inner: Unit = unit if lifted else "relative" if _has_number(base) else unit
                self.visit(base, inner, terms=terms, outer=exponent if lifted else None)
            case Call(function, arguments):
                inside: Unit = "log" if function == "exp" else "relative"
                for argument in arguments:
                    self.visit(argument, inside, terms=terms if function in ("max", "min") else 1)
            case Symbol(name) if top:
                self._set(name, Role("constant", unit, "real" if self.signed else "positive", terms=terms, top=True))

    def _set(self, name: str, role: Role) -> None:
        if name in self.roles:
            return
        if name in self.real and role.support != "unit":
            role = Role(role.kind, role.unit, "real", role.rest if role.kind == "offset" else None, terms=role.terms)
        self.roles[name] = role

    def _sum(self, node: Sum, unit: Unit, top: bool, terms: int) -> None:
        inner: Unit = "relative" if not top and _has_number(node) and unit == "output" else unit
        alone = [t.name for _, t in node.terms if isinstance(t, Symbol) and self.count[t.name] == 1]
        if len(alone) > 1:
            self.confounded.append(tuple(alone))
        for _, term in node.terms:
            if not isinstance(term, Symbol):
                self.visit(term, inner, top=False, terms=terms if inner == "output" else 1)
                self._mark_top(term, top)
        for name in alone:
            others = tuple((s, t) for s, t in node.terms if t != Symbol(name))
            sign = next(s for s, t in node.terms if t == Symbol(name))
            mixed = any(sign_of(t, self.positive) == 0 for _, t in others)
            moving = any(isinstance(n, Input) for _, t in others for n in walk(t))
            if moving and (unit == "log" or mixed or (top and self.signed) or (unit == "exponent" and not top)):
                support: Literal["positive", "real"] = "positive" if top and not self.signed else "real"
                self._set(name, Role("offset", unit, support, Sum(others), sign, terms=terms, top=top))
            else:
                real = unit == "log" or (top and self.signed) or (mixed and not top)
                role = Role("constant", inner, "real" if real else "positive", terms=terms, top=top)
                self._set(name, role)

    def _mark_top(self, term: Node, top: bool) -> None:
        if not top:
            return
        for child in (term,) if isinstance(term, Symbol) else children(term):
            if isinstance(child, Symbol) and child.name in self.roles:
                role = self.roles[child.name]
                if role.kind in ("level", "weight") and isinstance(term, Product) and role.side > 0:
                    self.roles[child.name] = Role(
                        role.kind, role.unit, role.support, role.rest, role.side, role.outer, role.terms, True
                    )

    def _product(self, node: Product, unit: Unit, top: bool, terms: int, outer: Node | None) -> None:
        single = [f.name for _, f in node.factors if isinstance(f, Symbol) and self.count[f.name] == 1]
        if len(single) > 1:
            self.confounded.append(tuple(single))
        taken = bool(single)
        for _, factor in node.factors:
            if isinstance(factor, Symbol):
                continue
            inherits = not taken and isinstance(factor, Sum)
            taken |= inherits
            self.visit(factor, unit if inherits else "relative", terms=terms if inherits else 1)
        if not single:
            return
        name = single[0]
        rest = tuple((s, f) for s, f in node.factors if f != Symbol(name))
        side = next(s for s, f in node.factors if f == Symbol(name))
        powered = outer is not None and any(isinstance(n, Symbol) for n in walk(outer))  # of what is positive, then
        signed = not powered and any(sign_of(f, self.positive) <= 0 for _, f in rest)
        vanishes = not powered and any(may_vanish(f, self.positive) for _, f in rest)  # no measure at the centre
        if not signed and not vanishes:
            self._set(name, Role("level", unit, "positive", Product(rest), side, outer, terms, top))
            return
        support: Literal["positive", "real"] = "positive" if name in self.forced or not signed else "real"
        self._set(name, Role("weight", unit, support, None, side, None, terms, top))

    def _exponent(self, exponent: Node, base: Node) -> None:
        sign, inner = 1, exponent
        if isinstance(inner, Sum) and len(inner.terms) == 1:
            ((sign, inner),) = inner.terms
        if isinstance(inner, Product):
            numbers = [f for _, f in inner.factors if isinstance(f, Number)]
            names = [f for _, f in inner.factors if isinstance(f, Symbol)]
            if len(numbers) + len(names) == len(inner.factors) and len(names) == 1:
                inner = names[0]
        if isinstance(inner, Symbol):
            decays = sign < 0 or inner.name in self.positive
            of_sum = isinstance(base, Sum) and not _has_number(base)
            support: Literal["positive", "real"] = "positive" if decays else "real"
            self._set(inner.name, Role("exponent", "exponent", support, of_sum=of_sum))
        else:
            self.visit(exponent, "exponent")


def _has_number(node: Node) -> bool:
    return isinstance(node, Sum) and any(isinstance(t, Number) for _, t in node.terms)


def _never_negative(tree: Node) -> set[str]:
    """The parameters whose place says that they are positive: the sign is written in front of them.

    Levels and constants are; exponents are where the power falls: ``N^-alpha``, ``B / D^beta``, ``(Nc / N)^alpha``.
    """
    found: set[str] = set()

    def visit(node: Node, below: bool = False) -> None:
        match node:
            case Sum(terms):
                for _, term in terms:
                    if isinstance(term, Symbol):
                        found.add(term.name)
                    visit(term)
            case Product(factors):
                for side, factor in factors:
                    if isinstance(factor, Symbol):
                        found.add(factor.name)
                    visit(factor, side < 0)
            case Power(base, exponent):
                inner, sign = exponent, 1
                if isinstance(inner, Sum) and len(inner.terms) == 1:
                    ((sign, inner),) = inner.terms
                falls = (sign < 0) != below or _falls(base)
                if isinstance(base, Symbol):
                    found.add(base.name)
                if isinstance(inner, Symbol) and (falls or isinstance(base, Sum)):
                    found.add(inner.name)
                elif not isinstance(inner, Symbol):
                    visit(inner)
                visit(base)
            case Call(_, arguments):
                for argument in arguments:
                    if not isinstance(argument, Sum):
                        visit(argument)
                    else:
                        for _, term in argument.terms:
                            visit(term)

    visit(tree)
    return found


def _falls(base: Node) -> bool:
    """Whether a base falls as features grow: all of them stand below the line."""
    if not isinstance(base, Product):
        return False
    sides = {side for side, factor in base.factors if any(isinstance(n, Input) for n in walk(factor))}
    return sides == {-1}
