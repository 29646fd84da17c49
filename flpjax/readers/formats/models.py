"""Names of models and checkpoints: the run that they are of, and the step."""

from __future__ import annotations

import re

STEP = re.compile(
    r"(?:(?<=[-_./@])|^)(?:global[-_]?step|checkpoint|ckpt|step|iter(?:ation)?)s?[-_=]?(\d+)([km]?)(?:[-_](?:unsharded|hf))?$",
    re.IGNORECASE,
)
"""The step at the end of a name: ``step143000``, ``checkpoint-500``, ``iter_0001000``, ``step10k-unsharded``."""
INSIDE = re.compile(r"(/(hf|hf_model|model|main|final))?/*$")
"""What stands behind the step in the path of a checkpoint that was converted."""
TIMES = {"": 1.0, "k": 1e3, "m": 1e6}


def run_and_step(model: str) -> tuple[str, float | None]:
    """``EleutherAI/pythia-160m@step3000`` → ``pythia-160m`` and 3000; a name without a step is the run's.

    Args:
        model: A repository, a path, and perhaps a revision.
    """
    text = model.strip().replace("\\", "/").rstrip("/")
    found = STEP.search(INSIDE.sub("", text))
    text = text if found is None else INSIDE.sub("", text)
    step = float(found[1]) * TIMES[found[2].lower()] if found and len(found[1]) < 12 else None
    rest = text[: found.start()].rstrip("-_./@ ") if found and step is not None else text
    name, _, revision = rest.partition("@")
    base = name.rpartition("/")[2] or name
    return "@".join(filter(None, (base, revision))) or model, step
