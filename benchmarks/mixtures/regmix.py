"""RegMix: a law fitted on n runs of 1M parameters, and how it ranks 256 unseen mixtures at 1M and 60M and 64 at 1B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.mixtures.laws import (
    OURS,
    PLAIN,
    Predicted,
    Rival,
    by_domain,
    error_of,
    fit,
    fit_draws,
    losses,
    mean_of,
    of_scales,
    spearman,
    true_rank,
    whole_mean,
    written,
)
from benchmarks.mixtures.peers import lightgbm_method
from benchmarks.report import show
from flpjax import Runs, read_runs
from flpjax.methods.method import Method

DOMAIN = "pile_cc"
ALL = 512
SIZES, SUBSETS = (16, 32, 64, 128, 256, ALL), 10
QUICK_SIZES, QUICK_SUBSETS = (32, ALL), 3
SCALES = {"1M": "1m-test-*", "60M": "60m-*", "1B": "1b-*"}


def subset(runs: Runs, n: int, seed: int) -> Runs:
    """``n`` of the 512 training runs; all of them for 512."""
    if n == ALL:
        return runs.training()
    return runs.only(f"1m-train-{i + 1}" for i in np.random.default_rng(seed).permutation(ALL)[:n])


def by_law(law: Method) -> Rival:
    """A law of ours as a method."""

    def method(known: Runs, unseen: Runs, seed: int) -> Predicted:
        fitted, x = fit(known, seed, law), unseen.finals().law_inputs
        same = np.full_like(x.log_tokens, known.finals().law_inputs.log_tokens.mean())
        shares = losses(fitted.draws, x.replace(tokens=same)) if law is OURS else None
        return Predicted(losses(fitted.draws, x), fitted.seconds, fitted.failed, shares)

    return method


def by_draws(known: Runs, unseen: Runs, seed: int) -> Predicted:
    """Our law's expected losses over bootstrap draws, as a method."""
    fitted = fit_draws(known, seed)
    return Predicted(losses(fitted.draws, unseen.finals().law_inputs), fitted.seconds, fitted.failed)


def one_domain(runs: Runs) -> Runs:
    """The table with the Pile-CC loss only."""
    return replace(runs, domains=(DOMAIN,), loss=runs.loss_of(DOMAIN)[:, None])


def record(runs: Runs, method: Rival, n: int, subsets: int) -> dict[str, Any]:
    """Fit on ``subsets`` samples of ``n`` runs and score all of them.

    Returns:
        ``pile_cc``, ``mean13`` (the mean of 13 domains' rank correlations) and ``mean_loss`` (the rank correlation of
        the mean loss), each with the mean over samples, its standard error, all values, and the true rank at 1B of the
        run predicted best; seconds; and the failures, sample and domains. What failed has no value. ``shares_1b`` is
        the first two at 1B had that model seen no more tokens than those at 1M.
    """
    unseen = runs.targets()
    truth = unseen.finals().loss
    rows = {s: np.isin(np.arange(len(unseen)), unseen_rows(unseen, p)) for s, p in SCALES.items()}
    column = unseen.domains.index(DOMAIN)
    ranked: dict[str, dict[str, list[float | None]]] = {
        what: {s: [] for s in SCALES} for what in ("pile_cc", "mean13", "mean_loss")
    }
    best: dict[str, list[int | None]] = {"pile_cc": [], "mean_loss": []}
    by_shares: dict[str, list[float | None]] = {"pile_cc": [], "mean13": []}
    seconds, failures = [], []
    for seed in range(subsets if n < ALL else 1):
        found = method(subset(runs, n, seed), unseen, seed)
        seconds.append(found.seconds)
        if found.failed or not np.isfinite(found.loss).all():
            lost = [d for j, d in enumerate(unseen.domains) if not np.isfinite(found.loss[:, j]).all()]
            names = {*found.failed, *lost}
            failures.append({"seed": seed, "domains": sorted(names)})
        for scale, here in rows.items():
            p, y = found.loss[here], truth[here]
            each = by_domain(p, y)
            ranked["pile_cc"][scale].append(each[column])
            ranked["mean13"][scale].append(whole_mean(each))
            ranked["mean_loss"][scale].append(spearman(p.mean(axis=1), y.mean(axis=1)))
        p, y = found.loss[rows["1B"]], truth[rows["1B"]]
        if found.shares is not None:
            each = by_domain(found.shares[rows["1B"]], y)
            by_shares["pile_cc"].append(each[column])
            by_shares["mean13"].append(whole_mean(each))
        best["pile_cc"].append(true_rank(p[:, column], y[:, column]))
        best["mean_loss"].append(true_rank(p.mean(axis=1), y.mean(axis=1)))
    best["mean13"] = best["mean_loss"]
    return {what: _figure(ranked[what], best[what]) for what in ranked} | {
        "seconds": float(np.median(seconds)),
        "first_seconds": seconds[0],
        "subsets": len(seconds),
        "failures": failures,
        "shares_1b": {w: {"mean": mean_of(v), "se": error_of(v), "values": v} for w, v in by_shares.items() if v},
    }


def unseen_rows(unseen: Runs, pattern: str) -> list[int]:
    """The rows of one scale's runs."""
    names = set(unseen.only([pattern]).names)
    return [i for i, r in enumerate(unseen.run) if unseen.names[r] in names]


def _figure(ranked: dict[str, list[float | None]], best: Sequence[int | None]) -> dict[str, Any]:
    there = [rank for rank in best if rank is not None]
    return {
        "spearman": {s: mean_of(v) for s, v in ranked.items()},
        "se": {s: error_of(v) for s, v in ranked.items()},
        "values": ranked,
        "best_1b_true_rank": float(np.median(there)) if there else None,
        "best_1b_true_ranks": list(best),
    }


def regmix(*, quick: bool = False) -> dict[str, Any]:
    """Run, print and return the ranks of our law on every number of runs, and of the plain M3 and of LightGBM."""
    runs = read_runs("regmix")
    sizes, subsets = (QUICK_SIZES, QUICK_SUBSETS) if quick else (SIZES, SUBSETS)
    drawn = {n: record(one_domain(runs), by_draws, n, subsets) for n in sizes}
    ours = {n: record(runs, by_law(OURS), n, subsets) for n in sizes}
    peers: dict[str, Any] = {"m3": {n: record(runs, by_law(PLAIN), n, subsets) for n in QUICK_SIZES}}
    method, note = (None, "not run with --quick") if quick else lightgbm_method()
    if method is not None:
        peers["lightgbm"] = {n: record(runs, method, n, subsets) for n in QUICK_SIZES}
    _print(drawn, ours, peers, note)

    def of(what: str, records: dict[int, Any]) -> dict[str, Any]:
        shared = ("seconds", "first_seconds", "subsets", "failures", "shares_1b")
        return {str(n): found[what] | {k: found[k] for k in shared} for n, found in records.items()}

    return {
        "regmix": of("pile_cc", drawn),
        "regmix_point": of("pile_cc", ours),
        "regmix_mean13": of("mean13", ours),
        "regmix_mean_loss": of("mean_loss", ours),
        "regmix_peers": {
            name: {what: of(what, found) for what in ("pile_cc", "mean13", "mean_loss")}
            for name, found in peers.items()
        },
        "regmix_note": note,
        "regmix_ceiling": ceiling(runs) | {"1B": None if quick else reach_at_1b(runs)},
    }


def ceiling(runs: Runs) -> dict[str, Any]:
    """Rank correlation of true 1M with true 60M losses of the same mixtures: no method at 1M ranks 60M better."""
    small, large = (runs.only([SCALES[s]]).finals() for s in ("1M", "60M"))
    at = {name.rpartition("-")[2]: i for i, name in enumerate(large.names)}
    order = [at[small.names[r].rpartition("-")[2]] for r in small.run]
    row_of = {int(r): i for i, r in enumerate(large.run)}
    one, other = small.loss, large.loss[[row_of[i] for i in order]]
    column = small.domains.index(DOMAIN)
    each = by_domain(one, other)
    means = spearman(one.mean(axis=1), other.mean(axis=1))
    named = dict(zip(small.domains, each, strict=True))
    return {"pile_cc": each[column], "mean13": mean_of(each), "mean_loss": means, "by_domain": named}


def reach_at_1b(runs: Runs) -> dict[str, Any]:
    """How well our law ranks 1B when it is fitted nearer to it, and to other runs, than it may be.

    No 1B mixture was trained at another scale, so there is no ceiling as for 60M. Instead, what ranks has the law from
    the true losses of the 256 unseen mixtures at 60M, and at 1M? If 60 times larger models tell no more, it is not the
    law that lacks.

    Returns:
        What was fitted on → ``tokens`` and ``shares`` (see :class:`Predicted`) → domain or ``mean13`` → correlation;
        and ``distance``, of the 1B mixtures from the nearest one at a smaller scale, in the largest weight.
    """
    largest, others = (runs.only(names).finals() for names in ([SCALES["1B"]], ["1m-*", "60m-*"]))
    near = np.abs(largest.mix[:, None] - others.mix).max(axis=2).min(axis=1)
    found: dict[str, Any] = {"distance": {"least": float(near.min()), "median": float(np.median(near))}}
    known = {f"{s}, {len(seen)} unseen runs": seen for s in ("1M", "60M") for seen in [runs.only([SCALES[s]])]}
    for name, seen in {f"1M, {ALL} runs": subset(runs, ALL, 0), **known}.items():
        said = by_law(OURS)(seen.hold_out([]), largest, 0)
        found[name] = {}
        for what, loss in (("tokens", said.loss), ("shares", said.shares)):
            each = by_domain(np.asarray(loss), largest.loss)
            found[name][what] = dict(zip(runs.domains, each, strict=True)) | {"mean13": whole_mean(each)}
    columns = [(name, what, ranks) for name, by in found.items() if name != "distance" for what, ranks in by.items()]
    show(
        "RegMix, Spearman correlation at 1B, domain by domain: our law fitted on other runs than it may be",
        ("domain", *(f"{name}: {what}" for name, what, _ in columns)),
        [(d, *(written(ranks[d]) for *_, ranks in columns)) for d in ("mean13", *runs.domains)],
        f"No 1B mixture is nearer than {near.min():.2f} (in the largest weight) to one of a smaller scale.",
    )
    return found


def _worst(values: Sequence[float | None]) -> float | None:
    return min((v for v in values if v is not None), default=None)


def _print(drawn: dict[int, Any], ours: dict[int, Any], peers: dict[str, Any], note: str) -> None:
    whole = [("PowerMix, mean over draws", n, found) for n, found in drawn.items()]
    rows = [("PowerMix, one fit", n, found) for n, found in ours.items()]
    rows += [(name, n, found) for name, records in peers.items() for n, found in records.items()]
    by_shares = [(n, f["pile_cc"]["values"]["1B"], f["shares_1b"]["pile_cc"]["values"]) for n, f in ours.items()]
    show(
        "RegMix, Pile-CC at 1B, one fit: the law in tokens (25 times those of 1M) beside the same fit in shares",
        ("runs", "tokens", "worst", "shares", "worst"),
        [
            (n, *(cell for v in both for cell in (written(mean_of(v), error_of(v)), written(_worst(v)))))
            for n, *both in by_shares
        ],
    )
    for what, title in (
        ("pile_cc", "Pile-CC loss"),
        ("mean13", "mean of 13 domains' correlations"),
        ("mean_loss", "mean of 13 losses"),
    ):
        show(
            f"RegMix, Spearman correlation of predicted and true {title}, fitted at 1M",
            ("method", "runs", *SCALES, "true rank at 1B of the best", "failed", "seconds a fit"),
            [
                (
                    name,
                    n,
                    *of_scales(found[what], list(SCALES)),
                    ", ".join(str(rank or "–") for rank in found[what]["best_1b_true_ranks"]),
                    f"{len(found['failures'])} of {found['subsets']}",
                    f"{found['seconds']:.1f}",
                )
                for name, n, found in ((whole + rows) if what == "pile_cc" else rows)
            ],
            "A failed fit has no value and is in no mean. ± is a standard error over random subsets. A dash: "
            f"a failure, or the same prediction for all. LightGBM: {note}",
        )
