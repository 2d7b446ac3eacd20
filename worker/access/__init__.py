"""Who may connect: the listening ports, what an unproven peer may take, and the access policy."""
