"""A ladder of tiny byte-level language models, trained here: its corpus, its models, its questions."""
