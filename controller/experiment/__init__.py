"""The experiment file, and what it asks for: cells with their routes, codecs, loads and networks."""
