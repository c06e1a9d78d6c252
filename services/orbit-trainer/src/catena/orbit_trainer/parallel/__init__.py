"""Parallelism beside the model: what each of the processes holds and computes."""
