"""flpjax: from a ladder of small language models to a forecast of a big one, with intervals."""
