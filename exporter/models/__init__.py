"""The models that become bundles: built-in and your own, their weights, training and calibration."""
