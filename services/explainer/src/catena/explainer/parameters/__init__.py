"""Which parameter of a land model drives which of its outputs, on a surrogate of that model."""
