"""The models that become bundles: the zoo and the user's own, their weights, training and calibration."""
