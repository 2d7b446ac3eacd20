"""ONNX Runtime: a stage, its session options and its execution provider."""
