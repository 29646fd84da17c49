"""Data sets by name: ``ladder()`` comes with the package; :func:`flpjax.read_runs` reads public ones by name, too."""

from __future__ import annotations

import json
from typing import Any

from flpjax.ladder.table import Runs
from flpjax.readers.ladders import FOLDER, read_ladder


def ladder() -> Runs:
    """Our own ladder: FLP-M's experiment, trained small, on mixtures of English and code.

    Six sizes of 0.16M to 4.8M parameters at six shares of code, a second seed at one of them; held out, the sizes 8.8M
    and 19M, and runs at the mixtures that were proposed as best. Thirty checkpoints a run, losses on five domains in
    nats per byte, six tasks. ``flpjax/readers/shipped/ladder.md`` is its data card.
    """
    return read_ladder("ladder")


def proposals() -> dict[str, Any]:
    """What was proposed from :func:`ladder` before the runs ``…-for-…`` were trained.

    Returns:
        ``optima``, a list: for each task and for the mean of tasks (``for``) the best share of ``code``, its ``spread``
        over draws, the ``gain`` expected over the best share tried, and the scores ``predicted`` there, with 90 %
        intervals; ``tried``, the scores predicted at the six shares; the method, its draws and seed; and the target.
    """
    text = (FOLDER / "optima.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
