"""Pre-training: settings, objective, loop, and the ways to start it on many processes."""
