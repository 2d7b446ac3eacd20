"""The store: bundles and shards by digest, checked before use."""
