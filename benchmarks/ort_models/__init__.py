"""Float networks in plain torch, and how they become files of ONNX Runtime's quantizer."""
