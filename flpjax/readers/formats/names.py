"""What columns of training logs mean, by the names that common programs give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from flpjax.ladder.units import Unit
from flpjax.readers.formats.records import BATCH, BATCH_TOKENS, CONTEXT
from flpjax.readers.units import FLOPS, LOSS, PREFIXES, TOKENS

LONGEST = 300  # characters of a column's name; longer ones hold something else

SINGLE: dict[str, tuple[str, ...]] = {
    "tokens": (
        "total_tokens", "tokens", "tokens_seen", "tokens_trained", "num_tokens", "n_tokens", "consumed_tokens",
        "train_tokens", "training_tokens", "num_tokens_seen", "total_tokens_seen", "num_input_tokens_seen",
        "tokens_processed", "cumulative_tokens", "tokens_total",
    ),
    "params": (
        "non_embedding_params", "num_non_embedding_params", "non_embedding_parameters", "params_non_embedding",
        "num_params_non_embedding", "nonembedding_params", "n_non_embedding_params", "params_transformer",
        "num_scaling_params", "params", "num_params", "n_params", "parameter_count", "parameters", "num_parameters",
        "n_parameters", "model_params", "param_count", "total_params", "params_total", "num_trainable_params",
        "trainable_params",
    ),
    "step": (
        "global_step", "train_step", "optimizer_step", "trainer_step", "step", "iteration", "iter", "_step", "steps",
        "num_steps", "num_iterations", "num_train_steps",
    ),
    BATCH_TOKENS: (
        "batch_size_in_tokens", "global_batch_size_in_tokens", "tokens_per_batch", "tokens_per_step", "batch_tokens",
        "batch_size_tokens", "global_batch_size_tokens", "global_batch_tokens", "tokens_per_iter",
    ),
    BATCH: (
        "global_batch_size", "global_train_batch_size", "total_train_batch_size", "effective_batch_size",
        "train_batch_size", "batch_size",
    ),
    CONTEXT: (
        "seq_len", "sequence_length", "seq_length", "max_seq_len", "max_seq_length", "max_sequence_length",
        "train_seq_len", "context_length", "context_len", "block_size", "n_ctx", "ctx_len", "context", "seqlen",
    ),
}  # fmt: skip
"""Canonical or auxiliary name → the last part of names that mean it, the surest first."""
EMBEDDED = frozenset(SINGLE["params"][SINGLE["params"].index("params") :])
"""Names of parameters that may count embeddings."""
PER_DEVICE = frozenset(("train_batch_size", "batch_size"))
"""Names of batch sizes that may be those of one device."""
HEADS = frozenset(
    (
        "throughput", "train", "training", "trainer", "perf", "progress", "optim", "model", "config", "data", "stats",
        "global", "timer", "counters", "performance", "parameters", "summary",
    )
)  # fmt: skip
"""What may stand before those: an evaluation's tokens are not the training's."""

TOTAL_FLOPS = re.compile(
    r"(?:total|cumulative|cum|training|train|actual)_(?:training_|train_)?"
    r"(k|m|g|t|p|e|z|kilo|mega|giga|tera|peta|exa|zetta)?_?fl[ou]ps?(?:_total)?"
    r"|(?:training_|train_)?(flops?|total_flos|flos)(?:_total)?"
)
LONG_PREFIXES = {"kilo": "K", "mega": "M", "giga": "G", "tera": "T", "peta": "P", "exa": "E", "zetta": "Z"}
MANY_TOKENS = re.compile(r"(?:total_)?(?:train_|training_)?tokens?(?:_seen)?_?\(?([bmt]|[bmtr]+illions?)\)?")

NATS = ("crossentropyloss", "cross_entropy_loss", "cross_entropy", "ce_loss", "lm_loss", "nll_loss", "nll", "loss")
BITS = ("bits_per_byte", "bits_per_token", "bpb")
PERPLEXITIES = ("perplexity", "ppl")
SCORES = (
    "acc", "accuracy", "acc_norm", "len_norm", "length_normalized_accuracy", "acc_len_norm", "acc_raw", "exact_match",
    "em", "f1", "pass_at_1", "pass@1", "accuracy_norm", "acc_per_token", "acc_per_char", "mc1", "mc2", "score",
)  # fmt: skip
"""Metrics that are scores, in the order in which one of several is taken."""
CENTRED = ("core_metric", "core_score", "core")
METRICS = {
    **dict.fromkeys(NATS, ("loss", LOSS["nats"])),
    **dict.fromkeys(BITS, ("loss", LOSS["bits"])),
    **dict.fromkeys(PERPLEXITIES, ("loss", LOSS["perplexity"])),
    **dict.fromkeys(SCORES, ("score", LOSS["nats"])),
}
EVALUATION = (
    "eval", "evals", "evaluation", "val", "valid", "validation", "test", "dev", "heldout", "held_out", "lm",
    "downstream", "downstream_bpb", "lm_eval", "lm_evaluation_harness", "lm_eval_harness", "harness", "icl", "metrics",
    "metric", "benchmarks", "tasks",
)  # fmt: skip
"""Parts of a name that say that something was evaluated, and not what on."""
TRAINING = ("train", "training", "optim")
AVERAGES = re.compile(r"(macro|micro|avg|average|mean|overall)(_avg|_average)?")
SYMBOLS = {"N": "params", "D": "tokens", "C": "flops"}
CANONICAL = re.compile(r"(?:loss|score|mix|x|stderr)/(?!(?:train|training|val|valid|eval|test|dev)$).+")
FILTER = re.compile(r"(?<=[^\s,]),(none|[a-z]+-[a-z]+)$")
"""What lm-evaluation-harness writes behind a metric."""
LABEL = re.compile(r"(.*?)\s*\(([^()]*)\)")
NOT_VALUES = re.compile(r"__(min|max)$|(^|[/_. -])(grad_norm|lr|learning_rate|weight_decay|std|stderr|var)$")


@dataclass(frozen=True)
class Meaning:
    """What a column means.

    Attributes:
        canonical: Canonical or auxiliary name.
        unit: The unit that its values stand in; None for the canonical one.
        rank: Of several columns of one meaning the lowest is taken.
        metric: Of a loss or a score, as the source calls it.
        average: Whether it is a mean of other losses, which would count twice.
        centred: Whether it is a score with chance at 0.
    """

    canonical: str
    unit: Unit | None = None
    rank: int = 0
    metric: str = ""
    average: bool = False
    centred: bool = False


@lru_cache(maxsize=2**14)
def meaning_of(name: str) -> Meaning | None:
    """What a column of a training log means by its name; None if that is nothing a ladder has.

    ``throughput/total_tokens`` are tokens, ``eval/c4_en-validation/CrossEntropyLoss`` is ``loss/c4_en``,
    ``eval/downstream/piqa_val_rc_5shot_len_norm`` is ``score/piqa_val_rc_5shot``, ``val_bpb`` is ``loss/validation``
    in bits.

    Args:
        name: The column's.
    """
    if not name or len(name) > LONGEST:
        return None
    text = name.strip()
    if CANONICAL.fullmatch(text):
        return Meaning(text)
    if text in SYMBOLS:
        return Meaning(SYMBOLS[text], rank=len(SINGLE[SYMBOLS[text]]) if SYMBOLS[text] in SINGLE else 1)
    text = FILTER.sub("", text)
    labelled = LABEL.fullmatch(text)
    label = _plain(labelled[2]) if labelled else ""
    body = labelled[1] if labelled and _metric(label.removesuffix("_v2"))[0] else text
    parts = [part for part in (_plain(p) for p in re.split(r"[/.]" if "/" not in body else "/", body)) if part]
    if not parts or NOT_VALUES.search(text.lower()):
        return None
    return _single(parts) or _measured(body, parts, label)


def _single(parts: list[str]) -> Meaning | None:
    """Sizes, steps and batches, by the last part of a name; before it may stand what is no evaluation."""
    last = parts[-1]
    if not all(part in HEADS for part in parts[:-1]):
        return None
    for canonical, names in SINGLE.items():
        if last in names:
            return Meaning(canonical, None, names.index(last))
    if found := MANY_TOKENS.fullmatch(last):
        return Meaning("tokens", TOKENS[found[1][0].upper()], len(SINGLE["tokens"]))
    if found := TOTAL_FLOPS.fullmatch(last):
        prefix = LONG_PREFIXES.get(found[1] or "", (found[1] or "").upper())
        return Meaning("flops", FLOPS[f"{prefix}FLOPs"] if PREFIXES[prefix] != 1.0 else None)
    return None


def _measured(body: str, parts: list[str], label: str) -> Meaning | None:
    """A loss or a score, by the metric at the end of a name or in brackets behind it."""
    if parts[-1] in CENTRED:
        return Meaning("score/core", metric=parts[-1], centred=True)
    newer = label.endswith("_v2")
    metric, rest = (label.removesuffix("_v2"), parts[-1]) if label else _metric(parts[-1])
    heads = [*parts[:-1], *([rest] if rest else [])]
    if not metric:  # validation/loss/c4
        metric = next((part for part in parts if part in METRICS), "")
        heads = [part for part in parts if part != metric]
    if metric not in METRICS:
        return None
    if heads and heads[0].split("_")[0] in TRAINING:
        return Meaning("train_loss", METRICS[metric][1]) if metric in NATS and len(heads) == 1 else None
    kind, unit = METRICS[metric]
    domain = _domain(body, heads)
    if kind == "loss":
        own = any(part.startswith("downstream") for part in heads)  # bits per byte of right answers are the custom
        rank = 2 if metric in PERPLEXITIES else int(metric not in (BITS if own else NATS))
        if not heads and metric == "loss":
            return Meaning("loss")
        average = bool(AVERAGES.fullmatch(domain.rpartition("/")[2]))
        told = None if unit.name == "nats" else unit
        return Meaning(f"loss/{domain or 'validation'}", told, 2 * rank - newer, metric, average)
    if not domain:
        return None
    return Meaning(f"score/{domain}", None, 2 * SCORES.index(metric) - newer, metric)


def _metric(part: str) -> tuple[str, str]:
    """The metric at the end of a part, the longest there is, and what stands before it; both empty without one."""
    found = [m for m in METRICS if part == m or part.endswith(f"_{m}")]
    if not found:
        return "", ""
    metric = max(found, key=len)
    return metric, part[: -len(metric)].rstrip("_")


def _domain(body: str, heads: list[str]) -> str:
    """What was evaluated: the parts that say more than that something was."""
    kept = []
    for part in (p for p in heads if p not in EVALUATION):
        words = part
        for each in EVALUATION:
            words = words.removeprefix(f"{each}_") if words.startswith(f"{each}_") else words
        for each in ("_validation", "_valid", "_val") if len(heads) > 1 or words != part else ("_validation", "_val"):
            words = words.removesuffix(each)
        if words and words not in EVALUATION:
            kept.append(_spelt(words, body))
    return "/".join(kept)


def _spelt(words: str, body: str) -> str:
    """Words as the source spells them, with underscores for spaces."""
    found = re.search(r"[\s_-]+".join(map(re.escape, words.split("_"))), body, re.IGNORECASE)
    return re.sub(r"\s+", "_", found[0]) if found else words


def _plain(part: str) -> str:
    """In lower case, words joined by underscores."""
    text = part.strip().lower()
    return text if text.startswith("_") else re.sub(r"[\s-]+", "_", text).strip("_")
