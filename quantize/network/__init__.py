"""The network to quantize: where it comes from, and the two forms (torch, ONNX) that it takes."""
