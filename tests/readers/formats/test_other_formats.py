"""JSON Lines, offline W&B files, olmix, nanochat, Hugging Face's trainer states and OLMo-core's ladder."""

import csv
import json
import math
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.readers.formats.wandb_offline import log_messages
from flpjax.readers.importing import Imported, import_runs
from flpjax.readers.read import read_runs


def write(file: Path, content: Any) -> Path:
    """A table of rows as CSV, objects as JSON Lines, or text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        file.write_text(content)
    elif file.suffix == ".csv":
        with file.open("w", newline="") as text:
            writer = csv.DictWriter(text, list(dict.fromkeys(name for row in content for name in row)))
            writer.writeheader()
            writer.writerows(content)
    elif file.suffix == ".jsonl":
        file.write_text("\n".join(map(json.dumps, content)) + "\n")
    else:
        file.write_text(json.dumps(content))
    return file


def returns_unchanged(made: Imported, folder: Path) -> None:
    """What was imported is what is read from the table and the mapping that it writes."""
    assert made.runs is not None
    (folder / "ladder.csv").write_text(made.csv())
    (folder / "ladder.toml").write_text(made.mapping)
    again = read_runs(folder / "ladder.csv", folder / "ladder.toml")
    for what in ("params", "tokens", "flops", "loss", "score", "stderr", "mix", "final"):
        np.testing.assert_array_equal(getattr(again, what), getattr(made.runs, what))
    assert (again.tasks, again.shown, again.names) == (made.runs.tasks, made.runs.shown, made.runs.names)


def test_json_lines_of_configurations_and_summaries(tmp_path: Path) -> None:
    """One object a run, as Marin writes them; of nats and bits per byte of one set, nats."""
    lines = [
        {
            "run_name": f"r{i}",
            "state": "finished",
            "config": {"model": {"seq_len": {"value": 2048, "desc": None}}, "trainer": {"train_batch_size": 128}},
            "summary": {
                "throughput/total_gflops": 10.0 ** (9 + i), "parameter_count": 10 ** (7 + i), "_step": 999,
                "throughput/total_tokens": 10 ** (9 + i), "eval/paloma/c4_en/bpb": 1.2, "eval/paloma/c4_en/loss": 3 - i,
                "eval/paloma/macro_loss": 9.0, "lm_eval/piqa/acc": 0.6, "eval/x/bpb": "NaN",
            },
        }
        for i in range(2)
    ]  # fmt: skip
    made = import_runs(write(tmp_path / "runs.jsonl", lines))
    runs = made.runs
    assert runs is not None
    assert (made.format, runs.names, runs.domains, runs.task_names) == (
        "jsonl",
        ("r0", "r1"),
        ("paloma/c4_en",),
        ("piqa",),
    )
    assert runs.flops.tolist() == [1e18, 1e19]
    assert runs.params.tolist() == [1e7, 1e8]
    assert runs.loss[:, 0].tolist() == [3, 2]
    assert any("'parameter_count' is taken for N" in note for note in made.notes)
    returns_unchanged(made, tmp_path)


def test_json_lines_of_steps(tmp_path: Path) -> None:
    for name in ("a", "b"):
        steps = [{"_step": s, "tokens": s * 100, "val": {"loss": 3.0 - s / 100}} for s in (0, 10, 20)]
        write(tmp_path / f"{name}.jsonl", steps)
    made = import_runs(tmp_path, constants={"params": 1e7})
    assert made.runs is not None
    assert made.runs.names == ("a", "b")
    assert made.runs.loss_of("validation").tolist() == [2.9, 2.8] * 2


def test_halves_of_characters_are_replaced(tmp_path: Path) -> None:
    """JSON can name what no file can hold."""
    lines = [{"_step": s, "tokens": s, "eval/\ud800/loss": 3.0, "run": "\udc00 \U0001f642"} for s in (1, 2)]
    made = import_runs(write(tmp_path / "a.jsonl", lines), constants={"params": 1e7})
    assert made.runs is not None
    assert (made.runs.names, made.runs.domains) == (("? \U0001f642",), ("?",))
    assert made.csv().encode()


def test_olmix(tmp_path: Path) -> None:
    ratios = [
        {"run": f"r{i}", "name": "swarm", "index": i, "web": 0.3 + i / 10, "code": 0.7 - i / 10} for i in range(3)
    ]
    metrics = [
        {"run": f"r{i}", "name": "swarm", "index": i, "eval/downstream/piqa_val_rc_5shot (BPB v2)": 1.5, "mystery": 2.0}
        for i in (2, 0)
    ]
    write(tmp_path / "ratios.csv", ratios)
    write(tmp_path / "metrics.csv", metrics)
    made = import_runs(tmp_path, constants={"params": 3e7, "tokens": 3e9})
    runs = made.runs
    assert runs is not None
    assert (made.format, runs.names, runs.sources) == ("olmix", ("r2", "r0"), ("web", "code"))
    np.testing.assert_allclose(runs.mix, [[0.5, 0.5], [0.3, 0.7]])
    np.testing.assert_allclose(runs.loss_of("piqa_val_rc_5shot"), 1.5 * math.log(2))
    assert runs.loss_of("mystery").tolist() == [2.0, 2.0]
    assert any("1 run without any metric left out: r1" in note for note in made.notes)
    returns_unchanged(made, tmp_path)
    ratios[2]["web"] = 0.9
    write(tmp_path / "ratios.csv", ratios)
    with pytest.raises(InputError, match=r"row 3 .*the weights sum to"):
        import_runs(tmp_path / "metrics.csv")


def test_regmix(tmp_path: Path) -> None:
    """Several pairs in one folder, joined on the index of each: losses alone were read, their mixtures left out."""
    for pair, index in (("train", 1), ("test", 0)):
        write(tmp_path / f"{pair}_mixture_1m.csv", [{"index": index, "web": 0.25, "code": 0.75}])
        write(tmp_path / f"{pair}_pile_loss_1m.csv", [{"index": index, "metric/the_pile_arxiv_val_loss": 5.0 + index}])
    made = import_runs(tmp_path, constants={"params": 1e6, "tokens": 1e9})
    assert made.runs is not None
    assert (made.runs.names, made.runs.sources) == (("test_1m: 0", "train_1m: 1"), ("web", "code"))
    assert made.runs.loss_of("the_pile_arxiv").tolist() == [5.0, 6.0]
    alone = import_runs(tmp_path / "train_pile_loss_1m.csv", constants={"params": 1e6, "tokens": 1e9})
    assert alone.runs is not None
    assert alone.runs.names == ("1",)


SWEEP = (
    "flops_budget,depth,model_dim,params_wte,params_transformer,params_total,num_iterations,tokens_trained,val_bpb,"
    "core_score,train_time_sec\n"
    "1e18,10,640,9,50,99,1000,524288000,0.95,-0.01,10\n"
    "1e18,12,768,9,85,149,700,367001600,0.93,0.12,10\n"
    "1e19,12,768,9,85,149,7000,3670016000,0.85,0.0,10\n"
)


def test_nanochat(tmp_path: Path) -> None:
    """N without embeddings, bits per byte, and CORE with chance at 0, which may be negative."""
    made = import_runs(write(tmp_path / "results.csv", SWEEP.replace(",50,", ",5e7,").replace(",85,", ",8.5e7,")))
    runs = made.runs
    assert runs is not None
    assert (made.format, runs.names) == ("nanochat", ("1e18_d10", "1e18_d12", "1e19_d12"))
    assert runs.params.tolist() == [5e7, 8.5e7, 8.5e7]
    assert runs.flops.tolist() == [1e18, 1e18, 1e19]
    core = runs.tasks[0]
    assert (core.name, core.centred) == ("core", True)
    np.testing.assert_allclose([core.shown(s) for s in runs.score[:, 0]], [-0.01, 0.12, np.nan], rtol=1e-12)
    assert any("exactly 0.0" in note for note in made.notes)
    returns_unchanged(made, tmp_path)
    with pytest.raises(InputError, match=r"row 3 .*\(flops\): got 1e\+308, but it must"):  # N·C overflows, unsaid
        import_runs(write(tmp_path / "results.csv", SWEEP.replace("1e19", "1e308")))


def test_nanochat_logs(tmp_path: Path) -> None:
    model = (
        "model model_tag=d{0} depth={0} base.num_params={1} base.tokens_trained=1000000000 base.val_bpb=0.9 "
        "base.core=0.1 sft.val_bpb=5\n"
    )
    text = "prose about it\n" + model.format(4, 10**7) + model.format(6, 2 * 10**7) + "model of prose\n"
    runs = import_runs(write(tmp_path / "curve.log", text)).runs
    assert runs is not None
    assert runs.names == ("d4", "d6")
    np.testing.assert_allclose(runs.loss_of("validation"), 0.9 * math.log(2))
    log = "step step=1 loss=9\nsummary depth=4 num_params=10000000 tokens_trained=1000000000 val_bpb=0.8 gpu='a b'\n"
    write(tmp_path / "logs" / "d4" / "base_train.log", log)
    runs = import_runs(tmp_path / "logs").runs
    assert runs is not None
    assert runs.names == ("d4",)


def state(steps: list[int], **more: object) -> dict[str, Any]:
    log: list[dict[str, Any]] = [{"step": s, "loss": 5 - s / 1e3, "learning_rate": 1e-3, "epoch": 0.1} for s in steps]
    log += [{"step": s, "eval_loss": 4.9 - s / 1e3, "eval_runtime": 3.0} for s in steps[::2]]
    return {"log_history": log, "global_step": steps[-1], "max_steps": 1000, "train_batch_size": 8, **more}


def test_trainer_states(tmp_path: Path) -> None:
    """Of a run's checkpoints the longest log; tokens in proportion to steps; N by the model's configuration."""
    config = {
        "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8,
        "num_key_value_heads": 2, "intermediate_size": 2048,
    }  # fmt: skip
    for name in ("a", "b"):
        for steps in ([100, 200, 300], [100, 200, 300, 400, 500]):
            folder = tmp_path / name / f"checkpoint-{steps[-1]}"
            write(folder / "trainer_state.json", state(steps, num_input_tokens_seen=steps[-1] * 4096))
            write(folder / "config.json", config)
    made = import_runs(tmp_path)
    runs = made.runs
    assert runs is not None
    assert (made.format, runs.names) == ("hf-trainer", ("a", "b"))
    assert runs.step[:3].tolist() == [100, 300, 500]
    assert runs.tokens[:3].tolist() == [409600, 1228800, 2048000]
    assert runs.params[0] == 4 * (2 * 512 * 512 + 2 * 512 * 128 + 3 * 512 * 2048)
    assert runs.domains == ("validation",)
    np.testing.assert_allclose(runs.train_loss[:3], [4.9, 4.7, 4.5])
    assert any("did not finish" in note for note in made.notes)
    returns_unchanged(made, tmp_path)


def test_the_ladder_of_olmo_core(tmp_path: Path) -> None:
    for size in ("190M", "370M"):
        for step in (0, 100, 200):
            metrics = {
                "throughput/total tokens": step * 1000, "throughput/total petaflops": step * 6e-4,
                "eval/lm/pile-validation/CE loss": 3 - step / 1e3, "eval/lm/pile-validation/PPL": 20.0,
                "eval/downstream/piqa_val_rc_5shot (length-normalized accuracy v2)": 0.6,
                "eval/downstream/piqa_val_rc_5shot (BPB v2)": 1.5, "train/CE loss": 3.1, "optim/LR": 1e-3,
            }  # fmt: skip
            write(tmp_path / "ladder" / size / f"metrics_step{step}.json", metrics)
    made = import_runs(tmp_path / "ladder", constants={"params": 1e8})
    runs = made.runs
    assert runs is not None
    assert (made.format, runs.names, runs.step.tolist()) == ("olmo-core", ("190M", "370M"), [100, 200] * 2)
    assert runs.flops[0] == pytest.approx(6e13)
    assert set(runs.domains) == {"pile", "piqa_val_rc_5shot"}
    assert runs.tasks[0].chance == 0.5
    returns_unchanged(made, tmp_path)
    rows = [
        {
            "name": f"c{s}",
            "step": s,
            "tokens": s * 10,
            "size": z,
            "num_params": n,
            "eval/lm/pile-validation/CE loss": 3.0,
        }
        for z, n in (("190M", 19e7), ("370M", 37e7))
        for s in (1, 2)
    ]
    made = import_runs(write(tmp_path / "table.csv", rows))
    assert made.runs is not None
    assert made.runs.params.tolist() == [19e7, 19e7, 37e7, 37e7]
    write(tmp_path / "pickled" / "metrics_190M.pkl", "x")
    with pytest.raises(InputError, match="reading a pickle may run any program"):
        import_runs(tmp_path / "pickled")


def test_messages_of_a_log_and_where_it_was_cut() -> None:
    """Blocks of 32 KiB, messages over their ends in parts, a checksum each."""

    def framed(messages: list[bytes]) -> bytes:
        data = b":W&B\xe1\xbe\x00"
        for message in messages:
            first = True
            while first or message:
                left = 32768 - len(data) % 32768
                if left < 7:
                    data += bytes(left)
                    left = 32768
                piece, message = message[: left - 7], message[left - 7 :]
                kind = (1 if first else 4) if not message else (2 if first else 3)
                data += struct.pack("<IHB", zlib.crc32(piece, zlib.crc32(bytes([kind]))), len(piece), kind) + piece
                first = False
        return data

    messages = [b"a" * 10, b"b" * 100_000, b"", b"c" * 32_740, b"d"]
    data = framed(messages)
    assert list(log_messages(data)) == messages
    assert list(log_messages(data[:-1])) == [*messages[:-1], None]
    assert list(log_messages(data[:50_000])) == [messages[0], None]
    broken = bytearray(data)
    broken[12] ^= 1
    assert list(log_messages(bytes(broken))) == [None]


OFFLINE_RUNS = """
import json, pathlib, sys, wandb
for folder, name, identity, steps, code in json.loads(sys.argv[1]):
    pathlib.Path(folder).mkdir()  # runs that start within a second would share one
    config = {"non_embedding_params": 10**7, "seq_len": 1024, "global_batch_size": 4}
    run = wandb.init(project="p", name=name, id=identity, dir=folder, config=config, mode="offline")
    for step in range(*steps, 10):
        run.log({"train/loss": 3.0, "eval/c4/loss": 3 - step / 100}, step=step)
    run.finish(exit_code=code)
"""


def test_offline_run_files(tmp_path: Path) -> None:
    """What the client itself wrote without a network: names, configurations, exit codes, a run taken up again.

    That is another process's: in one, a run that begins just after another of its id ended may write nothing.
    """
    pytest.importorskip("wandb")
    first = ((str(tmp_path / "0"), "a", "1", (0, 100), 0), (str(tmp_path / "1"), "b", "2", (0, 60), 1))
    again = ((str(tmp_path / "2"), "b", "2", (50, 100), 0),)
    environment = {**os.environ, "WANDB_SILENT": "true"}
    commands = [[sys.executable, "-c", OFFLINE_RUNS, json.dumps(runs)] for runs in (first, again)]
    clients = [subprocess.Popen(command, env=environment) for command in commands]
    assert [client.wait(120) for client in clients] == [0, 0]
    begun = next((tmp_path / "2").rglob("*.wandb"))
    (tmp_path / "run-3.wandb").write_bytes(begun.read_bytes()[:7])
    made = import_runs(tmp_path)
    assert "run-3.wandb: begun, and nothing written" in made.notes
    runs = made.runs
    assert runs is not None
    assert (made.format, runs.names) == ("wandb-offline", ("a", "b"))
    assert runs.tokens[:2].tolist() == [10 * 4 * 1024, 20 * 4 * 1024]
    assert [int((runs.run == i).sum()) for i in range(2)] == [9, 9]
    assert runs.final.sum() == 2
