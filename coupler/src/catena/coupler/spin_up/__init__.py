"""Spin-up: from bare ground to the equilibrium of a land model's carbon, by several methods."""
