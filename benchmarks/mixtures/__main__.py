"""Laws of mixtures on public ladders, beside what others use: ranks, errors, and the search for the best mixture.

``python -m benchmarks.mixtures --json FILE [--quick] [--only held-out]``. Needs the ladders (a download, FLPJAX_DATA);
``--only`` needs none. LightGBM is compared with where it is installed.
"""

from __future__ import annotations

import os
import time

import jax

from benchmarks.mixtures.datablations import datablations
from benchmarks.mixtures.held_out import held_out, rolling
from benchmarks.mixtures.mixinglaws import mixinglaws
from benchmarks.mixtures.peers import lightgbm
from benchmarks.mixtures.regmix import regmix
from benchmarks.mixtures.search import search
from benchmarks.report import environment, finish, parser

OWN = {"held-out": held_out, "rolling": rolling}


def main() -> None:
    """Run all parts and write the figures."""
    jax.config.update("jax_enable_x64", True)
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer runs and draws, no LightGBM: 2 minutes")
    arguments.add_argument("--only", choices=OWN, help="of our own ladder: no public one is needed")
    given = arguments.parse_args()
    begun = time.perf_counter()
    if given.only:
        finish(environment() | {given.only: OWN[given.only](quick=given.quick)}, given.json)
        return
    package = lightgbm()
    result = environment() | {"lightgbm": package and package.__version__, "quick": given.quick}
    # First, so that its seconds with compilation are those of a fresh process.
    result["mixinglaws"] = mixinglaws(quick=given.quick)
    result |= regmix(quick=given.quick)
    result["search"] = search(quick=given.quick)
    result["datablations"] = datablations()
    result |= {name: part(quick=given.quick) for name, part in OWN.items()}
    result["load_average"] = os.getloadavg()[1]  # of 5 minutes: what else the cores had to do
    result["seconds"] = time.perf_counter() - begun
    print(f"{result['seconds']:.0f} s")
    finish(result, given.json)


if __name__ == "__main__":
    main()
