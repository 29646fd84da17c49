"""The ladder: tiny language models trained on two sources, and what is forecast of them."""
