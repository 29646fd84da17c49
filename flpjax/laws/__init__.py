"""Floor 3: one formula a class, pure."""
