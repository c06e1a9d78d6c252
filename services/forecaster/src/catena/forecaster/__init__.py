"""Streamflow forecasts: data by issue time and lead, models, prediction intervals."""
