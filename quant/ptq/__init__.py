"""Networks quantized after training, by calibration alone."""
