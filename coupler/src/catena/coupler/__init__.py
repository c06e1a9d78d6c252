"""Land models behind one interface, their restart files and their spin-up."""
