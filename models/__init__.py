"""From text to decision: base encoder, heads, calibration, retrieval, ONNX, the bundle, the analyzer, the policy."""
