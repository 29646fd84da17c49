"""Recognise columns of training logs by name: tokens, N, FLOPs, steps, batch sizes, losses and scores."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.units import Unit
from flpjax.readers.formats.headings import split_heading, unit_in_heading
from flpjax.readers.formats.records import BATCH, BATCH_TOKENS, CONTEXT
from flpjax.readers.units import FLOPS, LOSS, PREFIXES

LONGEST_NAME = 300  # characters; longer headers are not names of columns

SIZE_NAMES: dict[str, tuple[str, ...]] = {
    "tokens": (
        "total_tokens", "tokens", "tokens_seen", "tokens_trained", "num_tokens", "n_tokens", "consumed_tokens",
        "train_tokens", "training_tokens", "num_tokens_seen", "total_tokens_seen", "num_input_tokens_seen",
        "tokens_processed", "cumulative_tokens", "tokens_total", "pretraining_tokens", "dataset_tokens",
    ),
    "params": (
        "non_embedding_params", "num_non_embedding_params", "non_embedding_parameters", "params_non_embedding",
        "num_params_non_embedding", "nonembedding_params", "n_non_embedding_params", "non_embedding_param_size",
        "params_transformer", "num_scaling_params", "params", "num_params", "n_params", "parameter_count",
        "parameters", "num_parameters",
        "n_parameters", "model_params", "param_count", "total_params", "params_total", "num_trainable_params",
        "trainable_params", "model_size",
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
"""Canonical or auxiliary name (a batch size, a context) → last parts of names that mean it, most reliable first."""
MAY_COUNT_EMBEDDINGS = frozenset(SIZE_NAMES["params"][SIZE_NAMES["params"].index("params") :])
"""Names of N that may count the embedding parameters."""
MAY_BE_PER_DEVICE = frozenset(("train_batch_size", "batch_size"))
"""Names of batch sizes that may be those of one device."""
SIZE_PREFIXES = frozenset(
    (
        "throughput", "train", "training", "trainer", "perf", "progress", "optim", "model", "config", "data", "stats",
        "global", "timer", "counters", "performance", "parameters", "summary",
    )
)  # fmt: skip
"""What a name may have before the last part: `train/tokens` are training tokens, `eval/tokens` are not."""

FEATURE_NAMES = {"x/unique_tokens": ("unique_tokens", "u_unique_tokens", "num_unique_tokens", "tokens_unique")}
"""Other facts that published laws read → names that mean them."""
TOTAL_FLOPS = re.compile(
    r"(?:total|cumulative|cum|training|train|actual)_(?:training_|train_)?"
    r"(k|m|g|t|p|e|z|kilo|mega|giga|tera|peta|exa|zetta)?_?fl[ou]ps?(?:_total)?"
    r"|(?:training_|train_)?(flops?|total_flos|flos)(?:_total)?"
)
PF_DAYS = re.compile(
    r"(?:(?:c|compute|training compute)[\s_]*)?\(?(?:pf|peta-?flops?(?:/s)?|pflops?(?:/s)?)[\s_-]*days?\)?",
    re.IGNORECASE,
)
"""``PetaFLOP/s-days``, ``C_PFdays``, ``Compute (PF-days)``: the unit names the quantity."""
COMPUTE = ("compute", "training_compute", "train_compute", "total_compute")
LONG_PREFIXES = {"kilo": "K", "mega": "M", "giga": "G", "tera": "T", "peta": "P", "exa": "E", "zetta": "Z"}

NAT_METRICS = (
    "crossentropyloss",
    "cross_entropy_loss",
    "cross_entropy",
    "ce_loss",
    "lm_loss",
    "nll_loss",
    "nll",
    "crossentropy",
    "xent",
    "loss",
)
BIT_METRICS = ("bits_per_byte", "bits_per_token", "bpb")
PERPLEXITY_METRICS = ("perplexity", "ppl")
SCORE_METRICS = (
    "acc", "accuracy", "acc_norm", "len_norm", "length_normalized_accuracy", "acc_len_norm", "acc_raw", "exact_match",
    "em", "f1", "pass_at_1", "pass@1", "accuracy_norm", "acc_per_token", "acc_per_char", "mc1", "mc2", "score",
)  # fmt: skip
"""Metrics that are scores; if a task has several, the first of these is taken."""
CENTRED_METRICS = ("core_metric", "core_score", "core")
"""Scores rescaled so that chance is 0 (CORE of DataComp-LM)."""
METRICS = {
    **dict.fromkeys(NAT_METRICS, ("loss", LOSS["nats"])),
    **dict.fromkeys(BIT_METRICS, ("loss", LOSS["bits"])),
    **dict.fromkeys(PERPLEXITY_METRICS, ("loss", LOSS["perplexity"])),
    **dict.fromkeys(SCORE_METRICS, ("score", LOSS["nats"])),
}
"""Metric → loss or score, and the unit of a loss; that of a score is not read."""
ALSO_WORDS = ("math", "drop", "race")
"""Tasks whose names alone may as well be a source of a mixture, or a rate."""
EVALUATION_WORDS = (
    "eval", "evals", "evaluation", "val", "valid", "validation", "test", "dev", "heldout", "held_out", "lm",
    "downstream", "downstream_bpb", "lm_eval", "lm_evaluation_harness", "lm_eval_harness", "harness", "icl", "metrics",
    "metric", "benchmarks", "tasks",
)  # fmt: skip
"""Words that say that a column is an evaluation, but not on which data; dropped from domain and task names."""
TRAINING_PREFIXES = ("train", "training", "optim")
AVERAGE = re.compile(r"(macro|micro|avg|average|mean|overall)(_avg|_average)?")
FLAG_NAMES = {"held_out": "held_out", "heldout": "held_out", "final": "final"}
SYMBOLS = {"N": "params", "D": "tokens", "C": "flops"}
CANONICAL_NAME = re.compile(r"(?:loss|score|mix|x|stderr)/(?!(?:train|training|val|valid|eval|test|dev)$).+")
LM_EVAL_FILTER = re.compile(r"(?<=[^\s,]),(none|[a-z]+-[a-z]+)$")
"""The filter that lm-evaluation-harness appends to a metric: `acc,none`."""
BRACKETED_LABEL = re.compile(r"(.*?)\s*\(([^()]*)\)")
SHARE_OF = re.compile(r"proportions?_(?:of_)?(.+)")
"""A source of the mixture, by its share."""
LOSS_FIRST = re.compile(r"loss_(?!.*(?:scal|weight|mask|spike|fn|type|pred|err|std|diff|delta|gap|min|max|rel))(.+)")
"""A loss whose domain stands behind it; `loss_scale` is the optimiser's, `loss_pred` somebody's forecast."""
NOT_VALUES = re.compile(r"__(min|max)$|(^|[/_. -])(grad_norm|lr|learning_rate|weight_decay|std|stderr|var)$")


@dataclass(frozen=True)
class Meaning:
    """The meaning of a column.

    Attributes:
        canonical: Its canonical name (``tokens``, ``loss/c4``), or auxiliary one (a batch size, a context).
        unit: The unit of its values; None for the canonical one.
        rank: Of several columns with the same canonical name, the one of lowest rank is used.
        metric: The metric of a loss or score, as the log calls it.
        average: Whether it is an average of other losses, which then should not be a domain beside them.
        centred: Whether it is a score rescaled so that chance is 0.
    """

    canonical: str
    unit: Unit | None = None
    rank: int = 0
    metric: str = ""
    average: bool = False
    centred: bool = False


@lru_cache(maxsize=2**14)
def meaning_of(name: str) -> Meaning | None:
    """The meaning of a column of a training log, by its name; None if it is not one that a ladder has.

    ``throughput/total_tokens`` are tokens, ``eval/c4_en-validation/CrossEntropyLoss`` is ``loss/c4_en``,
    ``eval/downstream/piqa_val_rc_5shot_len_norm`` is ``score/piqa_val_rc_5shot``, ``val_bpb`` is ``loss/validation``
    in bits.

    Args:
        name: The column's.
    """
    if not name or len(name) > LONGEST_NAME:
        return None
    text = name.strip()
    if PF_DAYS.fullmatch(text):
        return Meaning("flops", FLOPS["PFLOP/s-days"], rank=1)
    for body, words in split_heading(text):
        meaning = meaning_of(body)
        unit = unit_in_heading(meaning.canonical, words) if meaning is not None else None
        if meaning is not None and unit is not None:
            return replace(meaning, unit=None if unit.factor == 1.0 and not unit.logarithm else unit)
    if CANONICAL_NAME.fullmatch(text):
        return Meaning(text)
    if text in SYMBOLS:
        return Meaning(SYMBOLS[text], rank=len(SIZE_NAMES[SYMBOLS[text]]) if SYMBOLS[text] in SIZE_NAMES else 1)
    if _normalised(text) in FLAG_NAMES:
        return Meaning(FLAG_NAMES[_normalised(text)])
    text = LM_EVAL_FILTER.sub("", text)
    labelled = BRACKETED_LABEL.fullmatch(text)
    label = _normalised(labelled[2]) if labelled else ""
    body = labelled[1] if labelled and _split_metric(label.removesuffix("_v2"))[0] else text
    parts = [part for part in (_normalised(p) for p in re.split(r"[/.]" if "/" not in body else "/", body)) if part]
    if not parts or NOT_VALUES.search(text.lower()):
        return None
    found = _size_meaning(parts) or _metric_meaning(body, parts, label)
    if found is None and labelled and label:  # loss (val), acc (hellaswag); batch size (tokens), MMLU (5-shot)
        whole = _normalised(labelled[1])
        return meaning_of(f"{labelled[2]}/{whole}" if whole in METRICS else f"{labelled[1]} {labelled[2]}")
    return found


def may_count_embeddings(meaning: Meaning) -> bool:
    """Whether a column of N is called by a name that may count the embedding parameters."""
    return (
        meaning.canonical == "params"
        and SIZE_NAMES["params"][meaning.rank :][:1] != ()
        and (SIZE_NAMES["params"][meaning.rank] in MAY_COUNT_EMBEDDINGS)
    )


def _size_meaning(parts: list[str]) -> Meaning | None:
    """The meaning of a name whose last part is a size, step or batch size, and that is not of an evaluation."""
    last = parts[-1]
    if not all(part in SIZE_PREFIXES for part in parts[:-1]):
        return None
    for canonical, names in SIZE_NAMES.items():
        if last in names:
            return Meaning(canonical, None, names.index(last))
    if last in COMPUTE:
        return Meaning("flops", rank=1)
    if found := SHARE_OF.fullmatch(last):
        return Meaning(f"mix/{found[1]}")
    for canonical, names in FEATURE_NAMES.items():
        if last in names:
            return Meaning(canonical, None, names.index(last))
    if found := TOTAL_FLOPS.fullmatch(last):
        prefix = LONG_PREFIXES.get(found[1] or "", (found[1] or "").upper())
        return Meaning("flops", FLOPS[f"{prefix}FLOPs"] if PREFIXES[prefix] != 1.0 else None)
    return None


def _metric_meaning(body: str, parts: list[str], label: str) -> Meaning | None:
    """The meaning of a name with the metric of a loss or score at its end, or after it in brackets (``label``)."""
    if parts[-1] in CENTRED_METRICS:
        return Meaning("score/core", metric=parts[-1], centred=True)
    is_v2 = label.endswith("_v2")
    metric, remainder = (label.removesuffix("_v2"), parts[-1]) if label else _split_metric(parts[-1])
    if not metric and (found := LOSS_FIRST.fullmatch(parts[-1])):
        metric, remainder = "loss", found[1]
    other_parts = [*parts[:-1], *([remainder] if remainder else [])]
    if not metric:  # validation/loss/c4
        metric = next((part for part in parts if part in METRICS), "")
        other_parts = [part for part in parts if part != metric]
    if metric not in METRICS:
        return _bare_task(body, parts)
    if other_parts and other_parts[0].split("_")[0] in TRAINING_PREFIXES:
        return Meaning("train_loss", METRICS[metric][1]) if metric in NAT_METRICS and len(other_parts) == 1 else None
    kind, unit = METRICS[metric]
    domain = _domain(body, other_parts)
    if kind == "loss":
        downstream = any(
            part.startswith("downstream") for part in other_parts
        )  # downstream losses are bits per byte of the right answer
        rank = 2 if metric in PERPLEXITY_METRICS else int(metric not in (BIT_METRICS if downstream else NAT_METRICS))
        if not other_parts and metric == "loss":
            return Meaning("loss")
        average = bool(AVERAGE.fullmatch(domain.rpartition("/")[2]))
        conversion = None if unit.name == "nats" else unit
        return Meaning(f"loss/{domain or 'validation'}", conversion, 2 * rank - is_v2, metric, average)
    if not domain:
        return None
    return Meaning(f"score/{domain}", None, 2 * SCORE_METRICS.index(metric) - is_v2, metric)


def _bare_task(body: str, parts: list[str]) -> Meaning | None:
    """The meaning of a column that is called by a known task alone, as tables made by hand are: ``HellaSwag``."""
    domain = _domain(body, parts)
    if domain.lower() in ALSO_WORDS or not known_task(domain.lower()).chance_known:
        return None
    return Meaning(f"score/{domain}", rank=2 * len(SCORE_METRICS))


def _split_metric(part: str) -> tuple[str, str]:
    """The longest metric that ends a part of a name, and what precedes it; two empty strings if none does."""
    found = [m for m in METRICS if part == m or part.endswith(f"_{m}")]
    if not found:
        return "", ""
    metric = max(found, key=len)
    return metric, part[: -len(metric)].rstrip("_")


def _domain(body: str, other_parts: list[str]) -> str:
    """The data set or task: the parts of a name that are left without words of :data:`EVALUATION_WORDS`."""
    kept = []
    for part in (p for p in other_parts if p not in EVALUATION_WORDS):
        words = part
        for each in EVALUATION_WORDS:
            words = words.removeprefix(f"{each}_") if words.startswith(f"{each}_") else words
        for each in (
            ("_validation", "_valid", "_val") if len(other_parts) > 1 or words != part else ("_validation", "_val")
        ):
            words = words.removesuffix(each)
        if words and words not in EVALUATION_WORDS:
            kept.append(_original_spelling(words, body))
    return "/".join(kept)


def _original_spelling(words: str, body: str) -> str:
    """Normalised words as ``body``, the original name, spells them, with underscores for spaces."""
    found = re.search(r"[\s_-]+".join(map(re.escape, words.split("_"))), body, re.IGNORECASE)
    return re.sub(r"\s+", "_", found[0]) if found else words


def _normalised(part: str) -> str:
    """A part of a name in lower case, its words joined by underscores."""
    text = part.strip().lower()
    return text if text.startswith("_") else re.sub(r"[\s-]+", "_", text).strip("_#")
