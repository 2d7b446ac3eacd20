"""Device profiles: what layers cost on each device, measured in short runs of real pipelines."""
