"""Who may connect: the listening ports, and what an unproven peer may take."""
