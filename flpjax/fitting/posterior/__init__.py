"""Everything that a ladder leaves open, both stages in one model, sampled or approximated at its mode."""
