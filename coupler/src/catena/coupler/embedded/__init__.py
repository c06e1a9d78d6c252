"""The embedded land model: a daily carbon, nitrogen, water and energy column with ELM's names.

Not a replacement of ELM: it makes ensembles, calibration and spin-up possible where ELM is not at
hand, with the same parameters, stages, restart and history names.
"""
