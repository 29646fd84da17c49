"""Figures that others published about these ladders, or that their code gives; all in percent."""

from __future__ import annotations

OLMO_TARGETS = ("3B-10xC", "peteish7", "peteish13")
OLMO_TASKS = ("mmlu", "hellaswag", "arc_challenge", "arc_easy", "piqa", "csqa", "socialiqa", "openbookqa")

# Bhagia et al. 2024 (arXiv:2412.04403), their code re-run: (N, D) → task loss → sigmoid, signed error of the score.
OLMO_CHAINED = {
    "3B-10xC": (2.0, 1.2, -3.5, -2.3, -1.1, 3.3, 0.1, -5.1),
    "peteish7": (-1.3, 1.4, -16.9, -9.4, -1.0, 4.2, -2.0, -10.6),
    "peteish13": (-0.7, 2.5, -17.5, -11.4, -1.1, 4.7, -2.7, -7.8),
}
OLMO_CHAINED_MEAN = {"3B-10xC": 2.33, "peteish7": 5.85, "peteish13": 6.05}  # mean absolute, of unrounded errors
OLMO_LOSS = {"3B-10xC": -1.0, "peteish13": -3.8}  # their c4 loss

# FLP on the c4 loss, same training runs, plain scipy, plain mean of the MMLU groups; mean absolute error of 8 scores.
SCIPY = {  # target: our name of the pair → (chained, with the target's true loss)
    "3B-10xC": {
        "power+linear": (3.5, 5.3),
        "power+sigmoid": (5.5, 2.2),
        "power-e+linear": (4.2, 5.3),
        "power-e+sigmoid": (3.8, 2.2),
        "chinchilla+linear": (4.7, 5.3),
        "chinchilla+sigmoid": (3.1, 2.2),
    },
    "peteish7": {
        "power+linear": (7.0, 10.1),
        "power+sigmoid": (8.6, 3.5),
        "power-e+linear": (8.0, 10.1),
        "power-e+sigmoid": (5.0, 3.5),
        "chinchilla+linear": (9.0, 10.1),
        "chinchilla+sigmoid": (3.5, 3.5),
    },
    "peteish13": {
        "power+linear": (6.8, 10.3),
        "power+sigmoid": (11.1, 4.0),
        "power-e+linear": (7.6, 10.3),
        "power-e+sigmoid": (7.1, 4.0),
        "chinchilla+linear": (8.6, 10.3),
        "chinchilla+sigmoid": (5.0, 4.0),
    },
}

# Gadre et al. 2024 (arXiv:2403.08540), their recipe re-run: absolute error of the C4 loss, and of the mean error rate
# of 17 tasks (1 − score).
GADRE = {
    "rpj": {"7B": (0.73, 0.05), "1.4B": (0.71, 3.64)},
    "c4": {"7B": (4.30, 0.14), "1.4B": (1.50, 9.58)},
    "rw": {"7B": (1.62, 2.94), "1.4B": (0.005, 5.62)},
}

# The OLMo ladder's own code, one chained run on two cores, seconds. A figure of their data's notes, not taken here.
OLMO_SECONDS = (20.0, 27.0)
