"""Streamflow networks: what is explained of them, as flat rows of named columns."""
