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


def joint_of(candidates: Floats, wanted: Floats, noise: Floats, weight: Floats) -> Joint:
    """Second moments of draws that are equally probable.

    Args:
        candidates: ``(draw, candidate, output)``.
        wanted: ``(draw, value)``.
        noise: ``(candidate, output)`` standard deviations.
        weight: ``(value,)``.
    """
    scale = 1.0 / np.sqrt(len(wanted))
    deviations = scale * (candidates - candidates.mean(axis=0))
    least = FLOOR * np.maximum((deviations**2).sum(axis=0), np.finfo(float).tiny)
    return Joint(deviations, scale * (wanted - wanted.mean(axis=0)), noise**2 + least, weight)


def compressed(joint: Joint) -> Joint:
    """The same moments in as few numbers a point as there are points, if draws are more."""
    draws, count, outputs = joint.candidates.shape
    wide = count * outputs + joint.wanted.shape[1]
    if draws <= wide:
        return joint
    stacked = np.concatenate([joint.candidates.reshape(draws, -1), joint.wanted], axis=1)
    root = np.asarray(np.linalg.qr(stacked, mode="r"))
    return joint._replace(
        candidates=root[:, : count * outputs].reshape(len(root), count, outputs), wanted=root[:, count * outputs :]
    )


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
    """A joint distribution with the covariances that gains are of, given some measurements."""

    joint: Joint
    cross: Floats  # (candidate, output, value)
    own: Floats  # (candidate, output, output)

    @classmethod
    def of(cls, joint: Joint) -> Conditioned:
        """Before any measurement."""
        cross = np.einsum("sck,sv->ckv", joint.candidates, joint.wanted, optimize=True)
        return cls(joint, cross, own_of(joint.candidates))

    @property
    def gains(self) -> Floats:
        """``(candidate,)`` as :func:`gains`."""
        return gains_of(self.cross, self.own, self.joint.noise, self.joint.weight)

    def measured(self, candidate: int) -> Conditioned:
        """After a candidate was measured, one output after the other."""
        joint, cross, own = self
        points, wanted = joint.candidates, joint.wanted
        for k in range(points.shape[2]):
            a = points[:, candidate, k]
            variance, towards = _gain(a, joint.noise[candidate, k])
            with_points, with_wanted = np.tensordot(a, points, 1), a @ wanted
            cross = cross - with_points[..., None] * (with_wanted / variance)
            own = own - with_points[:, :, None] * with_points[:, None, :] / variance
            points = points - towards * a[:, None, None] * with_points
            wanted = wanted - towards * a[:, None] * with_wanted
        return Conditioned(joint._replace(candidates=points, wanted=wanted), cross, own)


def _gain(a: Floats, noise: float) -> tuple[float, float]:
    """The variance of a measurement, and Potter's factor: ``A − factor·a·(aᵀA)`` are the deviations after it."""
    variance = float(a @ a + noise)
    return variance, 1.0 / (variance + np.sqrt(variance * noise))


def replayed(joint: Joint, order: list[int]) -> list[Floats]:
    """``(draw, value)`` deviations of what is wanted before the first, and after each of some measurements."""
    found = [joint.wanted]
    chosen, wanted = joint.candidates[:, order], joint.wanted
    for i, candidate in enumerate(order):
        for k in range(chosen.shape[2]):
            a = chosen[:, i, k]
            _, towards = _gain(a, joint.noise[candidate, k])
            with_chosen, with_wanted = np.tensordot(a, chosen, 1), a @ wanted
            chosen = chosen - towards * a[:, None, None] * with_chosen
            wanted = wanted - towards * a[:, None] * with_wanted
        found.append(wanted)
    return found
