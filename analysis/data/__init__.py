"""A sweep as analysis sees it: its trials, splits and predictions, and the figures of each trial."""
