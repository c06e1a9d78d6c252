"""Explainer: why a model said so, for forecasts and for land-model parameters."""
