"""Files of other programs: each format a module that recognises and reads it, one table of records between them."""
