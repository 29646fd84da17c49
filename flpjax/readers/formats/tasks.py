"""Chance levels of tasks under the longer names that evaluation programs give them."""

from __future__ import annotations

import re

from flpjax.ladder.tasks import QUARTER, Task, known_task

VARIANT = re.compile(
    r"(_(val|test|train|dev|validation))?(_(rc|mc|cf|mcf|cloze|gold_bpb|bpb))?(_\d+-?shots?)?(_fast)?(_v\d)?$"
)
"""What in-loop evaluations add to a task's name: split, form of the question, examples shown."""
MMLU = re.compile(r"(?:mmlu(?:_continuation)?[_-]|hendrycks_?test-|hendryckstest[-_])(.+)", re.IGNORECASE)
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


def base_of(name: str) -> str:
    """A task's name without what in-loop evaluations add: ``hellaswag`` of ``hellaswag_val_rc_5shot``."""
    return VARIANT.sub("", name) or name


def task_of(name: str, questions: int | None = None) -> Task:
    """Facts about a task by its name, matched whole; of subjects and areas of MMLU, that they have four choices."""
    base = base_of(name)
    subject = MMLU.fullmatch(base)
    if subject and subject[1].lower() in SUBJECTS.union(AREAS):
        return Task(name, QUARTER, questions)
    known = known_task(name)
    known = known if known.chance_known else known_task(base)
    return Task(name, known.chance, questions, known.chance_known)
