"""Prefect flows: which jobs, in which order, when. A task is one rpc."""
