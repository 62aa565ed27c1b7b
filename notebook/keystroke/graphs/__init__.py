"""The four models as ONNX graphs that answer as Python does."""
