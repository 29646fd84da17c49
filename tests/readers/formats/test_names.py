"""What columns of training logs mean, by the names that programs in use give them."""

import pytest

from flpjax.ladder.known_tasks import known_task
from flpjax.readers.formats.files import value
from flpjax.readers.formats.names import meaning_of

MEANINGS = {
    "throughput/total_tokens": "tokens",
    "throughput/total tokens": "tokens",
    "num_input_tokens_seen": "tokens",
    "tokens_b": "tokens in B",
    "D": "tokens",
    "eval/tokens": None,
    "throughput/total_training_Gflops": "flops in GFLOPs",
    "throughput/total petaflops": "flops in PFLOPs",
    "throughput/total_gflops": "flops in GFLOPs",
    "train/total_flos": "flops",
    "Training FLOP": "flops",
    "throughput/device/tflops": None,
    "mfu": None,
    "parameter_count": "params",
    "model.num_params": "params",
    "trainer/global_step": "step",
    "_step": "step",
    "batch_size_in_tokens": "batch_tokens",
    "global_batch_size": "batch",
    "config.data.seq_len": "context",
    "eval/c4_en-validation/CrossEntropyLoss": "loss/c4_en",
    "eval/dolma_common-crawl-validation/CrossEntropyLoss": "loss/dolma_common-crawl",
    "eval/lm/c4_en-validation/CE loss": "loss/c4_en",
    "eval/lm/c4_en-validation/PPL": "loss/c4_en in perplexity",
    "eval/paloma/c4_en/bpb": "loss/paloma/c4_en in bits",
    "validation/loss/dclm": "loss/dclm",
    "c4_val_loss": "loss/c4",
    "metric/the_pile_arxiv_val_loss": "loss/the_pile_arxiv",
    "val_bpb": "loss/validation in bits",
    "eval_loss": "loss/validation",
    "Eval Loss": "loss/validation",
    "Loss/val": "loss/validation",
    "loss": "loss",
    "train/loss": "train_loss in nats",
    "train/CE loss": "train_loss in nats",
    "loss/c4": "loss/c4",
    "eval/downstream/piqa_val_rc_5shot_len_norm": "score/piqa_val_rc_5shot",
    "eval/downstream_bpb/hellaswag_val_rc_5shot_bpb": "loss/hellaswag_val_rc_5shot in bits",
    "eval/downstream/arc_easy_test_rc_5shot (BPB v2)": "loss/arc_easy_test_rc_5shot in bits",
    "eval/downstream/arc_easy_test_rc_5shot (length-normalized accuracy v2)": "score/arc_easy_test_rc_5shot",
    "lm_eval/hellaswag/acc_norm": "score/hellaswag",
    "hellaswag/acc_norm,none": "score/hellaswag",
    "lm-eval/mmlu/acc": "score/mmlu",
    "core_metric": "score/core",
    "Params (M)": "params in M",
    "N (B)": "params in B",
    "Params, millions": "params in M",
    "params_m": "params in M",
    "Params (non-embedding)": "params",
    "Tokens in billions": "tokens in B",
    "tokens [1e9]": "tokens in 1e9 tokens",
    "FLOPs (1e18)": "flops in 1e18 flops",
    "Total FLOPs (ZFLOPs)": "flops in ZFLOPs",
    "Val loss (nats)": "loss/validation",
    "C4 loss (bits per byte)": "loss/C4 in bits",
    "loss/c4 (bits)": "loss/c4 in bits",
    "loss/wiki (en)": "loss/wiki (en)",
    "loss_code": "loss/code",
    "loss_scale": None,
    "loss_pred": None,
    "HellaSwag": "score/HellaSwag",
    "HellaSwag acc (%)": "score/HellaSwag in percent",
    "MMLU (%)": "score/MMLU in percent",
    "math": None,
    "Model Size": "params",
    "# params": "params",
    "Compute (FLOPs)": "flops",
    "Compute (GPU hours)": None,
    "loss (val)": "loss/validation",
    "Loss (train)": "train_loss in nats",
    "acc (hellaswag)": "score/hellaswag",
    "batch size (tokens)": "batch_tokens",
    "Held out": "held_out",
    "learning_rate": None,
    "eval/hellaswag/acc_stderr": None,
    "eval/piqa_len_norm__MAX": None,
    "": None,
    "x" * 9999: None,
}  # fmt: skip


@pytest.mark.parametrize("name", MEANINGS)
def test_names_of_columns(name: str) -> None:
    found = meaning_of(name)
    told = None if found is None else found.canonical + (f" in {found.unit.name}" if found.unit else "")
    assert told == MEANINGS[name]


def test_of_several_names_of_one_thing_the_surest_is_taken() -> None:
    def order(*names: str) -> list[str]:
        return sorted(names, key=lambda name: meaning_of(name).rank)  # type: ignore[union-attr]

    assert order("_step", "train/global_step") == ["train/global_step", "_step"]
    assert order("num_params", "params_non_embedding") == ["params_non_embedding", "num_params"]
    losses = order("eval/c4/ppl", "eval/c4/bpb", "eval/c4/loss")
    assert losses == ["eval/c4/loss", "eval/c4/bpb", "eval/c4/ppl"]
    own = order("eval/downstream/x (CE loss)", "eval/downstream/x (BPB)", "eval/downstream/x (BPB v2)")
    assert own[:2] == ["eval/downstream/x (BPB v2)", "eval/downstream/x (BPB)"]
    assert order("eval/x/acc_norm", "eval/x/acc") == ["eval/x/acc", "eval/x/acc_norm"]


@pytest.mark.parametrize(
    ("task", "chance"),
    [
        ("hellaswag_val_rc_5shot", 0.25),
        ("piqa_val_mc_5shot_fast", 0.5),
        ("arc_challenge_test_rc_5shot", 0.25),
        ("mmlu_social_sciences_test_rc_5shot", 0.25),
        ("hendrycksTest-college_physics", 0.25),
        ("mmlu_anatomy", 0.25),
        ("lambada_openai", 0.0),
        ("ARC (25-shot)", 0.25),
        ("ARC-Challenge", 0.25),
        ("HellaSwag_10-shot", 0.25),
        ("WinoGrande (zero-shot)", 0.5),
        ("GSM8K 8 shots", 0.0),
        ("mmlu_pro", 0.1),
        ("mmlu_pro_plus", None),
        ("(5-shot)", None),
        ("humaneval_x", None),
        ("mmlu_redux_anatomy", None),
    ],
)
def test_chance_levels_by_whole_names(task: str, chance: float | None) -> None:
    found = known_task(task)
    assert (found.chance if found.chance_known else None) == chance


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("-0.01\x1d", -0.01),
        (" 1e3 ", 1e3),
        (5, 5.0),
        ("N/A", None),
        (True, None),
        (10**400, None),
        ("1_0", None),
    ],
)
def test_numbers_of_json(cell: object, number: float | None) -> None:
    found = value(cell)
    assert (None if found != found else found) == number
