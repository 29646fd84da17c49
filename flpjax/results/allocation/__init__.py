"""What to train for a budget: N, D and the loss there, by several approaches."""
