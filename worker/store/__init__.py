"""What the worker was given, by digest: bundles and shards, checked before use."""
