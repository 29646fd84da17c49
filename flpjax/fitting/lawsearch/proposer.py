"""What to try next: the revisions of a structure, and the structures to begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from flpjax.fitting.lawsearch.powersum import SLOTS, TERMS
from flpjax.fitting.lawsearch.structure import Axis, Monomial, Structure, Term

BENDS = (
    7  # levels of a column that explains alone: of fewer, nothing tells how it goes on behind a bend within the rows
)

Proposer = Callable[[Sequence[Structure], Sequence[Axis], bool], Sequence[Structure]]
"""``(the best so far, axes, whether values may be negative) -> structures``; none best in the first round."""


def propose(best: Sequence[Structure], axes: Sequence[Axis], signed: bool) -> list[Structure]:
    """The first structures, or every revision of the best that the grammar has, each once."""
    found: dict[object, Structure] = {}
    for structure in begin(axes, signed) if not best else (r for b in best for r in revisions(b, axes, signed)):
        constants = sum(not term.monomials for term in structure.terms)
        up = any(term.sign >= 0 for term in structure.terms)
        if structure.size <= SLOTS and 1 <= len(structure.terms) <= TERMS and constants <= 1 and up:
            found.setdefault(structure.same(), structure)
    return list(found.values())


def begin(axes: Sequence[Axis], signed: bool) -> Iterator[Structure]:
    """A constant and a power of each feature; of their product; of each alone; a product without a constant."""
    level = Term(sign=0) if signed else Term()
    slopes = [Monomial("slope", i) for i in range(len(axes))]
    powers = tuple(Term((m,)) for m in slopes)
    yield Structure((level,))
    yield Structure((level, *powers[: TERMS - 1]))
    yield Structure((level, Term(tuple(slopes))))
    for power in powers:
        yield Structure((level, power))
        if signed:
            yield Structure((level, replace(power, sign=-1)))
    if not signed:
        yield Structure((Term(tuple(slopes)),))


def revisions(structure: Structure, axes: Sequence[Axis], signed: bool) -> Iterator[Structure]:
    """Every structure that is one step away; terms are taken away only from values that may be negative."""
    features = range(len(axes))
    slopes = [Monomial("slope", i) for i in features]
    for m in slopes:
        yield Structure((*structure.terms, Term((m,))))
    if len(axes) > 1:
        yield Structure((*structure.terms, Term(tuple(slopes))))
        for i in features:
            for j in features:
                if i < j and len(axes) > 2:
                    yield Structure((*structure.terms, Term((slopes[i], slopes[j]))))
    for k, term in enumerate(structure.terms):
        if term.sign == 0:
            continue

        def revised(new: Term, k: int = k) -> Structure:
            return Structure((*structure.terms[:k], new, *structure.terms[k + 1 :]))

        for m in _more(term, axes):
            if m not in term.monomials:
                yield revised(replace(term, monomials=(*term.monomials, m)))
        for m in term.monomials:
            yield revised(replace(term, monomials=tuple(o for o in term.monomials if o != m)))
        if len(structure.terms) > 1:
            yield Structure((*structure.terms[:k], *structure.terms[k + 1 :]))
            if signed and term.monomials:
                yield revised(replace(term, sign=-term.sign))


def _more(term: Term, axes: Sequence[Axis]) -> Iterator[Monomial]:
    """What can be added to a term's exponent: slopes; then bends and couplings of the slopes there are.

    Breaks are for a column that explains alone: of several, hold-outs did not show them to be worth their number.
    """
    there = {m.i for m in term.monomials if m.kind == "slope"}
    for i in range(len(axes)):
        yield Monomial("slope", i)
        if axes[i].logarithm or not axes[i].share:
            yield Monomial("saturating", i, i)
        bends = len(axes) == 1 and axes[i].levels >= BENDS
        if not axes[i].share and (bends or not axes[i].logarithm):
            yield Monomial("steep", i)
        if not axes[i].share and bends:
            yield Monomial("break", i)
        if i in there:
            yield Monomial("square", i)
        for j in range(len(axes)):
            if i != j and j in there:
                yield Monomial("saturating", i, j)
                if i < j:
                    yield Monomial("product", i, j)
