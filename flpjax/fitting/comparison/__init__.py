"""Two recipes fitted at once, with laws that share more or less, averaged by their evidence."""
