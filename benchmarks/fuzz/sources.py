"""A small valid source of every format that ``flpjax import`` reads, and what is done to its files."""

from __future__ import annotations

import csv
import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.fuzz.values import BYTES, CELLS, NAMES, damaged

Files = dict[str, bytes]
SOURCE = "source"
"""The folder of a source's files, inside that of an input."""
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e400, float("nan"), float("-inf"), 10**400, "", " ", "N/A", "nan", "1e3",
    "acc", "x" * 5000, "\x1b[2J", "\ud800", "../../x", [], {}, [1], {"value": 1}, {"a": {"b": {"c": 1}}}, [[]], [{}],
    {"": 1}, {"acc,none": 0.5}, "1,5", "7B", 0.5, 100, 101, -0.5, "0x10", "2024-01-01",
)  # fmt: skip
"""Values of JSON, some of which Python alone writes."""
NUMBERS = (0.1, 0.2, 0.3)


def lm_eval() -> Files:
    """Two models at two dates, a group beside its tasks, an old file and one of samples."""
    content: dict[str, Any] = {
        "results": {
            "piqa": {"alias": "piqa", "acc,none": 0.61, "acc_stderr,none": 0.011, "acc_norm,none": 0.6},
            "mmlu": {"alias": "mmlu", "acc,none": 0.26, "acc_stderr,none": "N/A"},
            "mmlu_virology": {"alias": " - virology", "acc,none": 0.26},
            "wikitext": {"bits_per_byte,none": 0.9, "word_perplexity,none": 20.0},
        },
        "group_subtasks": {"mmlu": ["mmlu_virology"], "piqa": []},
        "configs": {
            "piqa": {"output_type": "multiple_choice", "doc_to_choice": ["a", "b"], "metric_list": [{"metric": "acc"}]}
        },
        "versions": {"piqa": 1.0},
        "n-shot": {"piqa": 0, "mmlu": 5},
        "higher_is_better": {"piqa": {"acc": True}},
        "n-samples": {"piqa": {"original": 1838, "effective": 1838}},
        "config": {"model_args": "pretrained=org/m-160m,revision=step1000", "limit": None},
        "date": 1.0,
    }
    later = content | {"date": 2.0, "config": {"model_args": {"pretrained": "org/m-160m", "revision": "step2000"}}}
    old = {"results": {"piqa": {"acc": 0.6, "acc_stderr": 0.0114}}, "versions": {"piqa": 0}, "config": {"limit": 10}}
    files = {"a/results_2026-01-01T00-00-00.json": content, "b/results_1.json": later, "70m_step10.json": old}
    return {name: json.dumps(each).encode() for name, each in files.items()} | {
        "a/samples_piqa.jsonl": b'{"doc_id": 1}\n'
    }


def wandb() -> Files:
    """Two histories, one taken up again, and a table of runs."""
    rows = [
        {
            "_step": s,
            "throughput/total_tokens": 1000 * s,
            "eval/c4/loss": 4 - s / 100,
            "lm_eval/piqa/acc": 0.5,
            "train/loss": 3,
        }
        for s in range(0, 60, 10)
    ]
    runs = [
        {"Name": name, "State": "finished", "params": 1e7, "global_batch_size": 8, "seq_len": 64} for name in ("a", "b")
    ]
    return {
        "a.csv": csv_of(rows),
        "b.csv": csv_of(rows[:3]),
        "b-resumed.csv": csv_of(rows[2:]),
        "runs.csv": csv_of(runs),
    }


def panel() -> Files:
    """Two panels of two runs."""
    files = {}
    for metric in ("eval/loss", "eval/piqa/acc"):
        named = [f"{run} - {metric}{end}" for run in ("a", "b") for end in ("", "__MIN", "__MAX")]
        files[f"{metric.replace('/', '_')}.csv"] = csv_of(
            [{"Step": s, **dict.fromkeys(named, 0.5)} for s in (10, 20, 30)]
        )
    return files


def json_lines() -> Files:
    """Three runs with configurations and summaries, and a history."""
    lines = [
        {
            "run_name": f"r{i}",
            "state": "finished",
            "config": {"model": {"seq_len": 2048}, "batch_size": {"value": 8}},
            "summary": {"throughput/total_gflops": 10.0 ** (9 + i), "parameter_count": 10**7, "eval/c4/bpb": 1.2},
        }
        for i in range(3)
    ]
    steps = [{"_step": s, "tokens": s * 100, "val": {"loss": 3.0, "ppl": 20.0}} for s in (0, 10, 20)]
    return {
        name: "\n".join(map(json.dumps, each)).encode() for name, each in (("runs.jsonl", lines), ("h.jsonl", steps))
    }


def offline() -> Files:
    """A log of W&B in the messages of its client: a run's name and configuration, three steps, its end."""
    from wandb.proto import wandb_internal_pb2 as proto

    records = [proto.Record(run=proto.RunRecord(run_id="a", display_name="name a"))]
    for step in (10, 20, 30):
        items = [
            proto.HistoryItem(key=key, value_json=text) for key, text in (("val_loss", "3.5"), ("tokens", f"{step}000"))
        ]
        records.append(proto.Record(history=proto.HistoryRecord(item=items, step=proto.HistoryStep(num=step))))
    records.append(proto.Record(exit=proto.RunExitRecord(exit_code=0)))
    data = b":W&B\xe1\xbe\x00"
    for record in records:
        piece = record.SerializeToString()
        data += struct.pack("<IHB", zlib.crc32(piece, zlib.crc32(b"\x01")), len(piece), 1) + piece
    return {"offline-run-1/run-a.wandb": data}


def olmix() -> Files:
    """Mixtures and metrics of five proxies."""
    ratios = [{"run": f"r{i}", "name": "s", "index": i, "web": 0.1 * i, "code": 1 - 0.1 * i} for i in range(5)]
    metrics = [{"run": f"r{i}", "name": "s", "index": i, "piqa (BPB v2)": 1.5 - i / 10, "other": 2.0} for i in range(5)]
    return {"ratios.csv": csv_of(ratios), "metrics.csv": csv_of(metrics)}


def nanochat() -> Files:
    """A sweep of three models, and the log of an experiment."""
    rows = [
        {"flops_budget": 1e18, "depth": d, "params_total": d * 10**6, "num_iterations": 100, "tokens_trained": 10**9,
         "val_bpb": 0.9, "core_score": -0.01}
        for d in (10, 12, 14)
    ]  # fmt: skip
    log = "prose\nmodel model_tag=d4 depth=4 base.num_params=10000000 base.tokens_trained=1000000000 base.val_bpb=0.9\n"
    return {"results.csv": csv_of(rows), "x/curve.log": log.encode()}


def trainer() -> Files:
    """Two checkpoints of one run, and the configuration of its model."""
    log = [{"step": s, "loss": 3.0, "eval_loss": 3.1, "epoch": 0.1} for s in (10, 20, 30)]
    state = {
        "log_history": log,
        "global_step": 30,
        "max_steps": 30,
        "num_input_tokens_seen": 10**6,
        "total_flos": 10**12,
    }
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
    }
    return {
        "a/checkpoint-30/trainer_state.json": json.dumps(state).encode(),
        "a/checkpoint-30/config.json": json.dumps(config).encode(),
        "a/checkpoint-10/trainer_state.json": json.dumps(state | {"log_history": log[:1], "global_step": 10}).encode(),
    }


def olmo_core() -> Files:
    """Two sizes of two steps."""
    return {
        f"{size}/metrics_step{step}.json": json.dumps(
            {"throughput/total tokens": step * 10**6, "throughput/total petaflops": step * 6e-1,
             "eval/lm/pile-validation/CE loss": 3.0, "eval/downstream/piqa (BPB v2)": 1.1}
        ).encode()
        for size in ("190M", "370M")
        for step in (100, 200)
    }  # fmt: skip


def long() -> Files:
    """A row a value: two runs of two steps."""
    rows = [
        {"run": run, "step": step, "metric": metric, "value": value}
        for run in ("a", "b")
        for step in (10, 20)
        for metric, value in {"tokens": step * 10**6, "loss/c4": 3.5, "piqa/acc": 0.6, "lr": 0.001}.items()
    ]
    return {"long.csv": csv_of(rows)}


def by_hand() -> Files:
    """A table as people and spreadsheets write it: units in headings, suffixes, percent signs, words for nothing."""
    rows = [
        {"Model": f"m{i}", "Params (M)": 10 * 2**i, "Tokens": f"{2**i}B", "FLOPs (1e18)": 0.06 * 4**i,
         "C4 loss (nats)": 3.5 - 0.3 * i, "HellaSwag (%)": f"{26 + 4 * i}%", "MMLU": "N/A" if i == 1 else 0.26 + i / 50,
         "other": "-"}
        for i in range(4)
    ]  # fmt: skip
    return {"sheet.csv": csv_of(rows)}


SOURCES: dict[str, Callable[[], Files]] = {
    "lm-eval": lm_eval,
    "wandb": wandb,
    "wandb-panel": panel,
    "jsonl": json_lines,
    "wandb-offline": offline,
    "olmix": olmix,
    "nanochat": nanochat,
    "hf-trainer": trainer,
    "olmo-core": olmo_core,
    "long": long,
    "by-hand": by_hand,
}
JOIN = b"run,params,tokens,flops,held_out\na,10M,2e9,,no\nb,2e7,4B,,yes\n"
OPTIONS = (
    ("--metric", "acc_norm"), ("--metric", "piqa=acc"), ("--column", "loss/x=eval/c4/loss:bits"), ("--subtasks",),
    ("--constant", "params=1e8"), ("--constant", "batch_tokens=4096"), ("--constant", "tokens=1e9"),
    ("--format", "wandb"), ("--join", "join.csv"), ("--join", "none.csv"), ("--column", "loss/x"), ("--metric", "x=y"),
    ("--constant", "batch=nan"),
)  # fmt: skip


def changed(files: Files, rng: random.Random) -> Files:
    """One file of a source with one to three changes: of its JSON, its cells or its bytes; or gone, or elsewhere."""
    files = dict(files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(sorted(files))
        match rng.randrange(12):
            case 0 if len(files) > 1:
                del files[name]
            case 1:
                files[f"{name.rpartition('.')[0]}-{rng.randrange(9)}.{name.rpartition('.')[2]}"] = files[name]
            case 2 | 3:
                files[name] = damaged(files[name], rng)
            case 4:
                files[name] = rng.choice(BYTES) * rng.choice((0, 1, 3))
            case _:
                files[name] = _inside(name, files[name], rng)
    return files


def arguments(rng: random.Random) -> list[str]:
    """A command line that imports the source."""
    args = ["import", SOURCE, "-o", "ladder.csv"]
    args += ["--constant", "params=1e8"] if rng.random() < 0.5 else []
    args += ["--constant", "tokens=1e9"] if rng.random() < 0.3 else []
    return [*args, *rng.choice(OPTIONS)] if rng.random() < 0.3 else args


def csv_of(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _inside(name: str, data: bytes, rng: random.Random) -> bytes:
    """A change of what a file holds, by its kind; of bytes, if it can't be read any more."""
    try:
        if name.endswith(".json"):
            return json.dumps(_other(json.loads(data), rng)).encode("utf-8", "surrogatepass")
        if name.endswith(".jsonl"):
            lines = data.decode().splitlines()
            at = rng.randrange(len(lines))
            lines[at] = json.dumps(_other(json.loads(lines[at]), rng))
            return "\n".join(lines).encode("utf-8", "surrogatepass")
        if name.endswith(".csv"):
            rows = [line.split(",") for line in data.decode().splitlines()]
            row = rng.choice((0, rng.randrange(len(rows))))
            at = rng.randrange(len(rows[row]))
            rows[row][at] = rng.choice(NAMES if row == 0 else CELLS)
            return "\n".join(map(",".join, rows)).encode("utf-8", "surrogatepass")
    except (ValueError, IndexError, AttributeError, RecursionError, TypeError):
        pass
    return damaged(data, rng)


def _other(content: Any, rng: random.Random) -> Any:
    """JSON with one value replaced, one key gone, renamed or more, somewhere in it."""
    if isinstance(content, dict) and content and rng.random() < 0.85:
        key = rng.choice(sorted(content))
        match rng.randrange(8):
            case 0:
                return {k: v for k, v in content.items() if k != key}
            case 1:
                return {rng.choice((*NAMES, "acc,none", "step")) if k == key else k: v for k, v in content.items()}
            case 2:
                return {**content, rng.choice((*NAMES, "f1,none", "date")): rng.choice(ODD)}
            case _:
                return {**content, key: _other(content[key], rng)}
    if isinstance(content, list) and content and rng.random() < 0.85:
        at = rng.randrange(len(content))
        return [*content[:at], _other(content[at], rng), *content[at + rng.choice((0, 1, 1)) :]]
    return rng.choice(ODD)
