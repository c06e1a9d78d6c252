"""Data of forecasts: basin records, splits, scales, forecast weather, windows."""
