"""`flpjax.Ladder`: one fit and a method for each question; its answers are tables, plots and HTML."""
