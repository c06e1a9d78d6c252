"""Plans of a training: mesh, memory, speed, time and energy, before a GPU is used."""
