"""Post-training quantization unit by unit, with learned rounding: layers, blocks, or windows of neighbours.

The engine is BRECQ's (Li et al., ICLR 2021) with AdaRound's rectified sigmoid (Nagel et al., ICML 2020); the
windows follow UWC (Lin et al., BMVC 2021, arXiv 2201.06376).
"""
