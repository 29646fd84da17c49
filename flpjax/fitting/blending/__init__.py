"""Methods weighed by what each would have forecast of the ladder's own larger runs."""
