"""A model's ONNX graph: captured from PyTorch, given shapes and costs, its weights in one file, assembled."""
