"""Laws averaged by the probability of what was measured, each with a discrepancy of its own."""
