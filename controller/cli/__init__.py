"""`python -m controller COMMAND`: one module a group of commands."""
