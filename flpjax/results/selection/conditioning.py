"""What measuring a run would tell: second moments of draws, and their update by a measurement that is still to come.

A linear-Gaussian view (Bayes linear, or ensemble square-root filter): draws of candidates and of what is wanted are
taken for jointly normal, so that how much a measurement narrows what is wanted does not depend on what it will be, and
a whole set of runs is judged without a fit. Each update is of rank one (Potter 1963).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLOOR = 1e-9  # of the variance of what is measured, added to its noise: what float64 tells from an exact measurement


class Joint(NamedTuple):
    """Candidates and what is wanted, as deviations of draws: sums of squares over ``draw`` are variances.

    Attributes:
        candidates: ``(draw, candidate, output)`` what each candidate would measure.
        wanted: ``(draw, value)`` what is to be known.
        noise: ``(candidate, output)`` variances of a measurement about what is expected.
        weight: ``(value,)`` what a unit of variance of each value counts.
    """

    candidates: Floats
    wanted: Floats
    noise: Floats
    weight: Floats

    @property
    def variance(self) -> float:
        """The weighted sum of variances of what is wanted."""
        return float((self.wanted**2).sum(axis=0) @ self.weight)


def joint_of(
    candidates: Floats, wanted: Floats, noise: Floats, weight: Floats, counted: NDArray[np.bool_] | None = None
) -> Joint:
    """Second moments of draws that are equally probable.

    Args:
        candidates: ``(draw, candidate, output)``.
        wanted: ``(draw, value)``.
        noise: ``(candidate, output)`` standard deviations.
        weight: ``(value,)``.
        counted: ``(draw,)`` those that means and moments are of; None for all.
    """
    some = slice(None) if counted is None else counted
    scale = 1.0 / np.sqrt(len(wanted[some]))
    deviations = scale * (candidates - candidates[some].mean(axis=0))
    least = FLOOR * np.maximum((deviations[some] ** 2).sum(axis=0), np.finfo(float).tiny)
    return Joint(deviations, scale * (wanted - wanted[some].mean(axis=0)), noise**2 + least, weight)


def compressed(joint: Joint) -> Joint:
    """The same gains from fewer numbers: draws as many as points, and what is wanted along its principal directions."""
    left, length, _ = np.linalg.svd(joint.wanted * np.sqrt(joint.weight), full_matrices=False)
    rank = max(int((length**2 > FLOOR * length[:1] ** 2).sum()), 1)
    wanted = left[:, :rank] * length[:rank]
    draws, count, outputs = joint.candidates.shape
    points = joint.candidates.reshape(draws, -1)
    if draws > points.shape[1] + rank:
        root = np.asarray(np.linalg.qr(np.concatenate([points, wanted], axis=1), mode="r"))
        points, wanted = root[:, : count * outputs], root[:, count * outputs :]
    return Joint(points.reshape(-1, count, outputs), wanted, joint.noise, np.ones(rank))


def gains(joint: Joint) -> Floats:
    """``(candidate,)`` by how much the weighted variance of what is wanted falls if a candidate alone is measured."""
    cross = np.einsum("sck,sv->ckv", joint.candidates, joint.wanted, optimize=True)
    return gains_of(cross, own_of(joint.candidates), joint.noise, joint.weight)


def own_of(candidates: Floats) -> Floats:
    """``(candidate, output, output)`` covariances of what each candidate measures."""
    return np.einsum("sck,scl->ckl", candidates, candidates, optimize=True)


def gains_of(cross: Floats, own: Floats, noise: Floats, weight: Floats) -> Floats:
    """As :func:`gains`, from covariances.

    Args:
        cross: ``(candidate, output, value)``.
        own: ``(candidate, output, output)``.
        noise: ``(candidate, output)`` variances.
        weight: ``(value,)``.
    """
    if own.shape[1] == 1:
        return np.asarray((cross[:, 0] ** 2 @ weight) / (own[:, 0, 0] + noise[:, 0]))
    total = own + noise[:, :, None] * np.eye(own.shape[1])
    return np.asarray(np.einsum("ckv,ckv,v->c", cross, np.linalg.solve(total, cross), weight))


class Conditioned(NamedTuple):
    """A joint distribution given some measurements, by its covariances.

    Attributes:
        joint: Before any measurement.
        cross: ``(candidate, output, value)`` covariances with what is wanted.
        own: ``(candidate, output, output)`` covariances of what each candidate measures.
        past: ``(measurement, candidate, output)`` what each measurement took: covariances of candidates fell by the
            products of these.
        variance: Of what is wanted, weighted.
    """

    joint: Joint
    cross: Floats
    own: Floats
    past: Floats
    variance: float

    @classmethod
    def of(cls, joint: Joint) -> Conditioned:
        """Before any measurement."""
        cross = np.einsum("sck,sv->ckv", joint.candidates, joint.wanted, optimize=True)
        nothing = np.zeros((0, *joint.noise.shape))
        return cls(joint, cross, own_of(joint.candidates), nothing, joint.variance)

    @property
    def gains(self) -> Floats:
        """``(candidate,)`` as :func:`gains`."""
        return gains_of(self.cross, self.own, self.joint.noise, self.joint.weight)

    def measured(self, candidate: int) -> Conditioned:
        """After a candidate was measured, one output after the other."""
        joint, cross, own, past, variance = self
        for k in range(own.shape[1]):
            with_points = np.tensordot(joint.candidates[:, candidate, k], joint.candidates, 1)
            with_points -= np.tensordot(past[:, candidate, k], past, 1)
            scale = np.sqrt(own[candidate, k, k] + joint.noise[candidate, k])
            taken, with_wanted = with_points / scale, cross[candidate, k] / scale
            cross = cross - taken[..., None] * with_wanted
            own = own - taken[:, :, None] * taken[:, None, :]
            past = np.concatenate([past, taken[None]])
            variance -= float(with_wanted**2 @ joint.weight)
        return Conditioned(joint, cross, own, past, max(variance, 0.0))


def replayed(joint: Joint, order: list[int], counted: NDArray[np.bool_] | None = None) -> list[Floats]:
    """``(draw, value)`` deviations of what is wanted before the first, and after each of some measurements.

    Every draw is moved towards the mean by what the measurement and it have in common: ``A − factor·a·(aᵀA)`` with
    Potter's factor, whose sums of squares are the variances after it.

    Args:
        joint: Of all draws.
        order: The measurements.
        counted: ``(draw,)`` those that moments are of; None for all.
    """
    weight = np.ones(len(joint.wanted)) if counted is None else counted.astype(float)
    found = [joint.wanted]
    chosen, wanted = joint.candidates[:, order], joint.wanted
    for i, candidate in enumerate(order):
        for k in range(chosen.shape[2]):
            a, noise = chosen[:, i, k], joint.noise[candidate, k]
            variance = float((weight * a) @ a + noise)
            factor = 1.0 / (variance + np.sqrt(variance * noise))
            with_chosen, with_wanted = np.tensordot(weight * a, chosen, 1), (weight * a) @ wanted
            chosen = chosen - factor * a[:, None, None] * with_chosen
            wanted = wanted - factor * a[:, None] * with_wanted
        found.append(wanted)
    return found
