"""Calibration of land-model parameters by surrogates, diffusion-based generators and chains."""
