"""The report: results as sections of one document, written as a page of HTML or as Markdown."""
