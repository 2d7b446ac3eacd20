"""Tables of a sweep: by cell, by split and by node, as CSV and LaTeX."""
