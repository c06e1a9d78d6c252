"""Model classes that more than one package loads: torch, one device, no training."""
