"""What in a table is likely wrong: units, runs that went wrong, evaluations that broke, tasks that fall."""
