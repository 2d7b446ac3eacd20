"""`python -m controller COMMAND`: one module per group of commands."""
