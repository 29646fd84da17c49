"""What random guessing scores on widely used tasks, by the names that evaluation programs and tables give them."""

from __future__ import annotations

import re

from flpjax.ladder.tasks import Task

QUARTER, THIRD, HALF, FIFTH = 0.25, 1 / 3, 0.5, 0.2

CHANCE = {
    **dict.fromkeys(
        (
            "arc", "arc_challenge", "arc_c", "arc_easy", "arc_e", "hellaswag", "hellaswag_zeroshot", "mmlu",
            "mmlu_zeroshot", "openbookqa", "openbook_qa", "obqa", "race", "sciq", "logiqa", "logi_qa", "math_qa",
            "mathqa", "commonsense_qa_mc4", "agi_eval_lsat_ar", "agi_eval_lsat_lr", "agi_eval_lsat_rc",
            "agi_eval_sat_en", "swag", "belebele", "gpqa", "gpqa_diamond", "gpqa_main", "gpqa_extended",
        ),
        QUARTER,
    ),
    **dict.fromkeys(("csqa", "commonsense_qa", "commonsenseqa"), FIFTH),
    **dict.fromkeys(("socialiqa", "social_iqa", "siqa", "anli", "xnli"), THIRD),
    **dict.fromkeys(
        (
            "piqa", "winogrande", "winograd", "xwinograd", "wsc", "wsc273", "boolq", "copa", "xcopa", "storycloze",
            "xstorycloze", "wic", "rte", "mrpc", "qnli", "sst2", "blimp",
        ),
        HALF,
    ),
    "mmlu_pro": 0.1,
    **dict.fromkeys(
        (
            "bbh", "triviaqa", "humaneval", "humaneval_plus", "mbpp", "mbpp_plus", "gsm8k", "math", "minerva_math",
            "nq_open", "naturalqs", "webqs", "drop", "squad", "squadv2", "coqa", "jeopardy", "lambada",
            "lambada_openai", "lambada_standard", "ifeval",
        ),
        0.0,
    ),
}  # fmt: skip
"""By the names that lm-evaluation-harness, OLMES and LLM Foundry give them."""
VARIANT = re.compile(
    r"(_(val|test|train|dev|validation))?(_(rc|mc|cf|mcf|cloze|gold_bpb|bpb))?(_(\d+|zero|few)_?shots?)?(_fast)?(_v\d)?$"
)
"""What in-loop evaluations and tables add to a task's name: split, form of the question, examples shown."""
MMLU = re.compile(r"(?:mmlu(?:_continuation)?|hendrycks_?test)_(.+)")
AREAS = ("stem", "humanities", "social_sciences", "other")
_SUBJECTS = """
    abstract_algebra anatomy astronomy business_ethics clinical_knowledge college_biology college_chemistry
    college_computer_science college_mathematics college_medicine college_physics computer_security
    conceptual_physics econometrics electrical_engineering elementary_mathematics formal_logic global_facts
    high_school_biology high_school_chemistry high_school_computer_science high_school_european_history
    high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_mathematics
    high_school_microeconomics high_school_physics high_school_psychology high_school_statistics
    high_school_us_history high_school_world_history human_aging human_sexuality international_law jurisprudence
    logical_fallacies machine_learning management marketing medical_genetics miscellaneous moral_disputes
    moral_scenarios nutrition philosophy prehistory professional_accounting professional_law professional_medicine
    professional_psychology public_relations security_studies sociology us_foreign_policy virology
    world_religions
    """
SUBJECTS = frozenset(_SUBJECTS.split())
"""Those of MMLU (Hendrycks et al. 2021), all of four choices."""


def known_task(name: str, questions: int | None = None) -> Task:
    """What is known of a task by its name, matched whole (``humaneval_x`` is not ``humaneval``).

    Case and punctuation don't count, nor does what evaluations add: ``ARC (25-shot)``, ``hellaswag_val_rc_5shot``.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    base = VARIANT.sub("", plain)
    subject = MMLU.fullmatch(base)
    chance = CHANCE.get(plain, CHANCE.get(base))
    if chance is None and subject and subject[1] in SUBJECTS.union(AREAS):
        chance = QUARTER
    return Task(name, chance or 0.0, questions, chance_known=chance is not None)
