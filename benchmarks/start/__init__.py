"""What a user waits for: whole processes, from start to exit, cold and warm, on wide and on long tables."""
