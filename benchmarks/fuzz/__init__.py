"""Mutated tables, mapping files and arguments through the command line: what is no result and no clear error."""
