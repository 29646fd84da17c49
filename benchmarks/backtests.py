"""Accuracy on public ladders: what every method would have forecast, beside what others published.

``python -m benchmarks.backtests --json FILE [--draws 200]``. Needs the ladders: a download, or FLPJAX_DATA.
"""

from __future__ import annotations

import time

import jax

from benchmarks.gadre import gadre
from benchmarks.olmo import olmo
from benchmarks.report import environment, finish, parser


def main() -> None:
    """Run both ladders."""
    jax.config.update("jax_enable_x64", True)
    arguments = parser(__doc__)
    arguments.add_argument("--draws", type=int, default=200, help="bootstrap draws; 0 for point fits (default: 200)")
    given = arguments.parse_args()
    start = time.perf_counter()
    result = environment() | {"draws": given.draws, "olmo": olmo(given.draws), "gadre": gadre(given.draws)}
    result["seconds"] = time.perf_counter() - start
    print(f"{result['seconds']:.0f} s")
    finish(result, given.json)


if __name__ == "__main__":
    main()
