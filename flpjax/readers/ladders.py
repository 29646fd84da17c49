"""Ladders by name: where each comes from and what reads it. A new ladder is one row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from flpjax.ladder.table import Runs
from flpjax.readers.datablations import CODE, REPEATED, datablations, datablations_code
from flpjax.readers.gadre import EVALS, MODELS, TASK_METADATA, gadre2024
from flpjax.readers.mixinglaws import mixinglaws
from flpjax.readers.olmo_ladder import FOLDER as RUNS_FOLDER
from flpjax.readers.olmo_ladder import files_of, olmo_ladder
from flpjax.readers.own_ladder import own_ladder
from flpjax.readers.public import ALL_FILES, fetch, unverified
from flpjax.readers.regmix import regmix

SHIPPED = "shipped"
FOLDER = Path(__file__).parent / SHIPPED
"""What comes with the package."""


class LadderSummary(NamedTuple):
    """A ladder.

    Attributes:
        data: Its data set: ``SHIPPED``, or a key of :data:`flpjax.readers.public.SOURCES`.
        read: Its reader.
        about: What it is, in a line.
        files: Which files of the data set's registry the reader reads; ``*`` and ``?`` match as in a shell.
    """

    data: str
    read: Callable[[Path], Runs]
    about: str
    files: tuple[str, ...] = ALL_FILES


def _gadre(corpus: str) -> tuple[str, ...]:
    return TASK_METADATA, f"{MODELS}/{corpus}*", f"{EVALS}/evaluation_{corpus}*"


def _olmo(runs: str) -> tuple[str, ...]:
    return tuple(f"{RUNS_FOLDER}/{file}.csv" for file in files_of(runs).values())


LADDERS = {
    "ladder": LadderSummary(SHIPPED, own_ladder, "our own: six sizes × six shares of code; two larger sizes held out"),
    "olmo-ladder": LadderSummary(
        "olmo-ladder", olmo_ladder, "OLMo: the authors' 16 runs; 3B-10xC, 7B and 13B held out", _olmo("paper")
    ),
    "olmo-ladder-all": LadderSummary(
        "olmo-ladder",
        partial(olmo_ladder, runs="all"),
        "OLMo: also half budgets, reruns and the other 3B runs",
        _olmo("all"),
    ),
    "gadre2024": LadderSummary("gadre2024", gadre2024, "Gadre et al.: all 104 models of three training corpora"),
    "gadre2024-c4": LadderSummary(
        "gadre2024", partial(gadre2024, corpus="c4_original"), "Gadre et al., trained on C4", _gadre("c4_original")
    ),
    "gadre2024-rpj": LadderSummary(
        "gadre2024", partial(gadre2024, corpus="rpj"), "Gadre et al., trained on RedPajama", _gadre("rpj")
    ),
    "gadre2024-rw": LadderSummary(
        "gadre2024",
        partial(gadre2024, corpus="rw_original"),
        "Gadre et al., trained on RefinedWeb",
        _gadre("rw_original"),
    ),
    "regmix": LadderSummary(
        "regmix", regmix, "RegMix: 17 sources mixed at random; fit on 512 runs of 1M, all others held out"
    ),
    "regmix-1m": LadderSummary(
        "regmix",
        partial(regmix, scales=("1m",)),
        "RegMix: the runs of 1M parameters only; 256 held out",
        ("data/*_1m.csv",),
    ),
    "mixinglaws-2": LadderSummary(
        "mixinglaws", partial(mixinglaws, mixes="2Mix"), "Data Mixing Laws: Github and Pile-CC", ("2Mix_wide.csv",)
    ),
    "mixinglaws-3": LadderSummary(
        "mixinglaws",
        partial(mixinglaws, mixes="3Mix"),
        "Data Mixing Laws: Github, Books3 and Pile-CC",
        ("3Mix_wide.csv",),
    ),
    "mixinglaws-5": LadderSummary(
        "mixinglaws",
        partial(mixinglaws, mixes="5Mix"),
        "Data Mixing Laws: five kinds of text; 6 mixtures and 1B held out",
        ("5Mix_wide.csv",),
    ),
    "mixinglaws-rpj": LadderSummary(
        "mixinglaws",
        partial(mixinglaws, mixes="RedPajama"),
        "Data Mixing Laws: RedPajama's seven sources; 1B held out",
        ("RedPajama_wide.csv",),
    ),
    "datablations": LadderSummary(
        "datablations", datablations, "Muennighoff et al.: 182 runs on repeated data", (REPEATED,)
    ),
    "datablations-code": LadderSummary(
        "datablations", datablations_code, "Muennighoff et al.: Python in C4 and in OSCAR, 19 tasks, no losses", (CODE,)
    ),
}


def read_ladder(name: str) -> Runs:
    """Read a ladder; a public one is downloaded the first time.

    Args:
        name: A key of :data:`LADDERS`.

    Raises:
        InputError: It can't be fetched, or a file of it is missing or damaged.
    """
    ladder = LADDERS[name]
    if ladder.data == SHIPPED:
        return ladder.read(FOLDER)
    folder = fetch(ladder.data, ladder.files)
    runs = ladder.read(folder)
    return replace(runs, notes=(*runs.notes, *unverified(folder, ladder.data, ladder.files)))
