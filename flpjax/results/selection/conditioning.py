"""By how much measuring a candidate run would reduce the variance of the quantities of interest.

Draws of the candidates' measurements and of the quantities of interest are treated as jointly normal (Bayes linear;
ensemble square-root filter). The variance after a measurement then does not depend on the value measured, so that sets
of runs are compared without fitting again. Each measurement is a rank-one update of covariances (Potter 1963).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RELATIVE_NOISE_FLOOR = 1e-9  # of a measurement's variance, added to its noise's: else an exact one makes it singular


class Joint(NamedTuple):
    """Draws of measurements and of quantities of interest, centred and scaled: sums over ``draw`` are covariances.

    Attributes:
        candidates: ``(draw, candidate, output)`` expected measurements of each candidate run.
        wanted: ``(draw, value)`` quantities of interest.
        noise: ``(candidate, output)`` variances of measurements about their expectations.
        weight: ``(value,)`` weights of the variances of the quantities of interest in their sum.
    """

    candidates: Floats
    wanted: Floats
    noise: Floats
    weight: Floats

    @property
    def variance(self) -> float:
        """The weighted sum of variances of the quantities of interest."""
        return float((self.wanted**2).sum(axis=0) @ self.weight)


def joint_moments(
    candidates: Floats, wanted: Floats, noise: Floats, weight: Floats, moment_mask: NDArray[np.bool_] | None = None
) -> Joint:
    """A :class:`Joint` from equally probable draws.

    Args:
        candidates: ``(draw, candidate, output)`` expected measurements of each candidate run.
        wanted: ``(draw, value)`` quantities of interest.
        noise: ``(candidate, output)`` standard deviations of measurements about their expectations.
        weight: ``(value,)`` weights of variances.
        moment_mask: ``(draw,)`` the draws that means and variances are computed from; None for all.
    """
    selected = slice(None) if moment_mask is None else moment_mask
    scale = 1.0 / np.sqrt(len(wanted[selected]))
    deviations = scale * (candidates - candidates[selected].mean(axis=0))
    minimum_noise = RELATIVE_NOISE_FLOOR * np.maximum((deviations[selected] ** 2).sum(axis=0), np.finfo(float).tiny)
    return Joint(deviations, scale * (wanted - wanted[selected].mean(axis=0)), noise**2 + minimum_noise, weight)


def compressed(joint: Joint) -> Joint:
    """A smaller joint of the same gains: quantities of interest by principal component, draws reduced by a QR."""
    left_vectors, singular_values, _ = np.linalg.svd(joint.wanted * np.sqrt(joint.weight), full_matrices=False)
    rank = max(int((singular_values**2 > RELATIVE_NOISE_FLOOR * singular_values[:1] ** 2).sum()), 1)
    wanted = left_vectors[:, :rank] * singular_values[:rank]
    draws, count, outputs = joint.candidates.shape
    measurements = joint.candidates.reshape(draws, -1)
    if draws > measurements.shape[1] + rank:
        triangular = np.asarray(np.linalg.qr(np.concatenate([measurements, wanted], axis=1), mode="r"))
        measurements, wanted = triangular[:, : count * outputs], triangular[:, count * outputs :]
    return Joint(measurements.reshape(-1, count, outputs), wanted, joint.noise, np.ones(rank))


def gains(joint: Joint) -> Floats:
    """``(candidate,)`` by how much :attr:`Joint.variance` falls if only that candidate is measured."""
    cross = np.einsum("sck,sv->ckv", joint.candidates, joint.wanted, optimize=True)
    return np.asarray(gains_from_covariances(cross, output_covariances(joint.candidates), joint.noise, joint.weight))


def output_covariances(candidates: Floats) -> Floats:
    """``(candidate, output, output)`` covariances between the expected outputs of each candidate."""
    return np.einsum("sck,scl->ckl", candidates, candidates, optimize=True)


def gains_from_covariances(cross: Any, covariance: Any, noise: Any, weight: Any, xp: Any = np) -> Any:
    """As :func:`gains`, from covariances.

    Args:
        cross: ``(candidate, output, value)`` between measurements and quantities of interest.
        covariance: ``(candidate, output, output)`` between the outputs of each candidate.
        noise: ``(candidate, output)`` variances.
        weight: ``(value,)``.
        xp: The module of the arrays: NumPy, or ``jax.numpy`` for gradients.
    """
    if covariance.shape[1] == 1:
        return (cross[:, 0] ** 2 @ weight) / (covariance[:, 0, 0] + noise[:, 0])
    total = covariance + noise[:, :, None] * np.eye(covariance.shape[1])
    return xp.einsum("ckv,ckv,v->c", cross, xp.linalg.solve(total, cross), weight)


class Conditioned(NamedTuple):
    """The covariances of a joint after some measurements.

    Attributes:
        joint: Before any measurement.
        cross: ``(candidate, output, value)`` covariances with the quantities of interest.
        covariance: ``(candidate, output, output)`` covariances between the outputs of each candidate.
        downdates: ``(measurement, candidate, output)``: each measurement reduced the covariance of any two candidates'
            outputs by the product of its entries for them.
        variance: Weighted sum of variances of the quantities of interest.
    """

    joint: Joint
    cross: Floats
    covariance: Floats
    downdates: Floats
    variance: float

    @classmethod
    def of(cls, joint: Joint) -> Conditioned:
        """The state before any measurement."""
        cross = np.einsum("sck,sv->ckv", joint.candidates, joint.wanted, optimize=True)
        nothing = np.zeros((0, *joint.noise.shape))
        return cls(joint, cross, output_covariances(joint.candidates), nothing, joint.variance)

    @property
    def gains(self) -> Floats:
        """``(candidate,)`` as :func:`gains`."""
        return np.asarray(gains_from_covariances(self.cross, self.covariance, self.joint.noise, self.joint.weight))

    def measured(self, candidate: int) -> Conditioned:
        """The state after one more candidate is measured, its outputs one after the other."""
        joint, cross, covariance, downdates, variance = self
        for k in range(covariance.shape[1]):
            covariance_with_candidates = np.tensordot(joint.candidates[:, candidate, k], joint.candidates, 1)
            covariance_with_candidates -= np.tensordot(downdates[:, candidate, k], downdates, 1)
            scale = np.sqrt(covariance[candidate, k, k] + joint.noise[candidate, k])
            downdate, covariance_with_wanted = covariance_with_candidates / scale, cross[candidate, k] / scale
            cross = cross - downdate[..., None] * covariance_with_wanted
            covariance = covariance - downdate[:, :, None] * downdate[:, None, :]
            downdates = np.concatenate([downdates, downdate[None]])
            variance -= float(covariance_with_wanted**2 @ joint.weight)
        return Conditioned(joint, cross, covariance, downdates, max(variance, 0.0))


def deviations_after_each(joint: Joint, order: list[int], moment_mask: NDArray[np.bool_] | None = None) -> list[Floats]:
    """``(draw, value)`` deviations of the quantities of interest: before the first measurement, and after each.

    For a measurement with deviations a, all deviations A become ``A − factor·a·(aᵀA)``, with Potter's factor: their
    sums of squares are the variances after it.

    Args:
        joint: Of all draws.
        order: Candidates in the order in which they are measured.
        moment_mask: ``(draw,)`` the draws that means and variances are computed from; None for all.
    """
    weight = np.ones(len(joint.wanted)) if moment_mask is None else moment_mask.astype(float)
    after_each = [joint.wanted]
    chosen, wanted = joint.candidates[:, order], joint.wanted
    for i, candidate in enumerate(order):
        for k in range(chosen.shape[2]):
            a, noise = chosen[:, i, k], joint.noise[candidate, k]
            variance = float((weight * a) @ a + noise)
            factor = 1.0 / (variance + np.sqrt(variance * noise))
            covariance_with_chosen, covariance_with_wanted = np.tensordot(weight * a, chosen, 1), (weight * a) @ wanted
            chosen = chosen - factor * a[:, None, None] * covariance_with_chosen
            wanted = wanted - factor * a[:, None] * covariance_with_wanted
        after_each.append(wanted)
    return after_each
