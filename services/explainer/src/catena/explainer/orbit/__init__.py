"""Forecasts of fields by the foundation model: which variables, where, how far away."""
