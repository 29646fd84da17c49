"""Measure our solver beside others and print the tables."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.chinchilla import BOOTSTRAPS, OBJECTIVE, OPTIMUM, PUBLISHED, start_grid
from benchmarks.engine import peers
from benchmarks.engine.arithmetic import arithmetic
from benchmarks.engine.cold import cold
from benchmarks.engine.ours import figures, protocol
from benchmarks.engine.several import several
from benchmarks.engine.wide import Size, wide
from benchmarks.report import environment, finish, parser, percent, show

PROMISING = (
    "ours: all starts are tried, for eight steps at most, and the lowest 1 in 64 is followed (promising.total_s, "
    "promising.starts_agree, of those followed); ours_all_followed: every start to its end (total_s, starts_agree), as "
    "the peers do. Ours uses all cores of a CPU, scipy and there the other peers one."
)


def main() -> None:
    """Run all parts and write the figures."""
    jax.config.update("jax_enable_x64", True)
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="smaller batches: a minute on two CPU cores")
    arguments.add_argument("--against", type=Path, metavar="JSON", help="figures of another device to compare with")
    given = arguments.parse_args()
    on_cpu = jax.default_backend() == "cpu"
    begun = time.perf_counter()

    # First, so that the peak of the memory is that of these batches.
    optimum = np.array([*(np.log(OPTIMUM[name]) for name in "ABE"), OPTIMUM["alpha"], OPTIMUM["beta"]])
    sizes = wide(optimum, most=10_000_000 if not on_cpu else 10_000 if given.quick else 100_000)
    done = protocol(complete=BOOTSTRAPS if not on_cpu else 20 if given.quick else 200)
    ours = figures(done)
    others = [p._asdict() for p in peers.measure(list(peers.PEERS), done.data, None if on_cpu else _on_accelerator())]
    ours["per_fit_us"] = {
        "ours": 1e6 * ours["promising"]["total_s"] / ours["starts"],
        "ours_all_followed": 1e6 * ours["total_s"] / ours["starts"],
    } | {p["name"]: p["per_fit_us"] for p in others}
    ours["per_fit_note"] = PROMISING
    ours["peers"] = others
    result = environment() | {
        "devices": several() if not on_cpu else several(20, 1) if given.quick else several(200, 10),
        "chinchilla": ours,
        "wide": [s._asdict() for s in sizes],
        "cold": cold(),
        "arithmetic": arithmetic(optimum, 1e6 * sizes[-1].seconds / sizes[-1].fits / sizes[-1].steps),
    }
    if given.against:
        result["against"] = _against(result, json.loads(given.against.read_text(encoding="utf-8")))
    result["seconds"] = time.perf_counter() - begun
    finish(result, given.json)
    _print(result, sizes)


def _on_accelerator() -> dict[str, int]:
    """Samples that fill the device; scipy stays on the host."""
    return dict.fromkeys(peers.PEERS, len(start_grid())) | {"scipy": 200}


def _against(result: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The largest relative difference of the parameters of the first 100 bootstraps, and of the optimum."""
    here, there = (np.array(r["chinchilla"]["vectors"]) for r in (result, other))
    return {
        "device": other["device"],
        "parameters": float(np.max(np.abs(here / there - 1.0))),
        "objective": abs(result["chinchilla"]["objective"] / other["chinchilla"]["objective"] - 1.0),
    }


def _print(result: dict[str, Any], sizes: list[Size]) -> None:
    ours = result["chinchilla"]
    scipy_us = ours["per_fit_us"]["scipy"]

    def row(what: str, fits: int, each_us: float, agree: float, value: float) -> tuple[object, ...]:
        return (
            what,
            f"{fits:,}",
            f"{each_us:,.1f}",
            f"{each_us * ours['starts'] / 1e6:.2f}",
            f"{scipy_us / each_us:.1f}",
            percent(agree, 0),
            f"{value:.10f}",
        )

    promising = ours["promising"]
    show(
        f"Chinchilla by Besiroglu et al.: 240 points, {ours['starts']:,} starts (lowest known {OBJECTIVE:.10f})",
        ("solver", "starts", "µs a start", "s for all", "× scipy", "starts at the optimum, %", "objective"),
        [
            row(
                "flpjax, all tried, promising followed",
                ours["starts"],
                ours["per_fit_us"]["ours"],
                promising["starts_agree"],
                promising["objective"],
            ),
            row(
                "flpjax, all followed",
                ours["starts"],
                ours["per_fit_us"]["ours_all_followed"],
                ours["starts_agree"],
                ours["objective"],
            ),
        ]
        + [
            row(p["name"] + ", a sample", p["fits"], p["per_fit_us"], p["starts_agree"], p["objective"])
            for p in ours["peers"]
        ],
        caption=PROMISING.replace("ours: ", "Promising followed: ").replace("ours_all_followed: ", "all followed: "),
    )
    found, known = ours["optimum"], OPTIMUM
    boot = ours["bootstrap"]
    show(
        f"The optimum, and {boot['draws']:,} bootstraps from it: {boot['total_s']:.2f} s, "
        f"{boot['per_fit_us']:.0f} µs and {boot['steps']:.1f} steps a fit",
        ("constant", "ours", "lowest known", "s.e.", "published", "95 % interval", "published"),
        [
            (
                n,
                f"{found[n]:.6g}",
                known[n],
                f"{boot[n]['se']:.4g}",
                p.se,
                f"{boot[n]['lower']:.4g}–{boot[n]['upper']:.4g}",
                f"{p.lower:g}–{p.upper:g}",
            )
            for n, p in PUBLISHED.items()
        ],
    )
    whole = ours["complete"]
    print(
        f"All starts × bootstraps, promising ones followed, {whole['fits']:,} starts: {whole['seconds']:.2f} s, "
        f"{whole['per_fit_us']:.3f} µs each; 18 million: {whole['extrapolated_s']:.1f} s. Of the bootstraps, "
        f"{percent(whole['below_warm_start'], 2)} % end lower than from the optimum, "
        f"{percent(whole['above_warm_start'], 2)} % higher."
    )
    for what, name in (("in the authors' parameters", "float32"), ("in centred parameters", "float32_centred")):
        single = ours[name]
        digits = ", ".join(f"{constant} {value:.1f}" for constant, value in single["digits"].items())
        worst = max(single["errors_in_se"].values())
        print(
            f"float32 {what}: {single['total_s']:.2f} s for the bootstraps; digits kept: {digits}; the error is "
            f"{worst:.2g} standard errors at most (99 % of draws)"
        )
    show(
        "Wide: bootstraps × starts, all followed",
        ("fits", "seconds", "fits a second", "steps a fit", "peak memory, MiB"),
        [
            (f"{s.fits:,}", f"{s.seconds:.3f}", f"{s.fits / s.seconds:,.0f}", f"{s.steps:.1f}", s.peak_bytes >> 20)
            for s in sizes
        ],
    )
    one = result["devices"]["1"]
    show(
        "The same fits on several devices",
        ("devices", "promising followed, s", "× one", "all followed, s", "× one"),
        [
            (
                count,
                f"{s['protocol_s']:.2f}",
                f"{one['protocol_s'] / s['protocol_s']:.2f}",
                f"{s['followed_s']:.2f}",
                f"{one['followed_s'] / s['followed_s']:.2f}",
            )
            for count, s in result["devices"].items()
        ],
    )
    print(
        "First call more than the second: {without_cache_s:.2f} s, from the cache {with_cache_s:.2f} s".format(
            **result["cold"]
        )
    )
    a = result["arithmetic"]
    print(
        f"A pass over {a['rows']} rows takes {a['pass_us']:.4g} µs, a step {a['step_us']:.4g}; arithmetic alone would "
        f"take {percent(a['share_of_arithmetic'], 0)} % and {percent(a['share_of_arithmetic_step'], 0)} % of that "
        f"({a['ceiling_flops'] / 1e12:.3g} TFLOP/s, {a['ceiling_exponentials'] / 1e9:.3g} G exponentials/s, "
        f"{a['ceiling_bytes'] / 1e9:.4g} GB/s measured)"
    )
    if "against" in result:
        print(f"Against {result['against']['device']}: parameters differ by {result['against']['parameters']:.1e}")


if __name__ == "__main__":
    main()
