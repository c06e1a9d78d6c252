"""How good forecasts of fields are: scores, spectra, reference forecasts, plots.

:func:`~catena.orbit_trainer.evaluation.evaluate.evaluate` goes through a period of a hot cache and
scores any number of forecasters beside persistence and climatology.
"""
