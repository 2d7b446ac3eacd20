"""The command `edgecut`: a table of commands, each loaded when it is called."""
