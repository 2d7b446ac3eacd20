"""A model's ONNX graph: capture from PyTorch, shapes and costs, one weights file, the assembled bundle."""
