"""Cases and ensembles of land models."""
