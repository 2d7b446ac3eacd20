"""Links carry requests from stage to stage, and to and from the endpoint."""
