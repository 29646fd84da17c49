"""Chen et al. 2024, figure by figure, on a ladder of our own: sizes × shares of code, with larger runs held out."""
