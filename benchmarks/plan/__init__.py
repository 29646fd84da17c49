"""Plans on trial: allocation, its bias, selection of runs, and speed-up of one recipe over another."""
