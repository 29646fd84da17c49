"""Which run next: what a measurement would tell about a target, and the runs that tell most for what they cost."""
