"""Data ingest: real archives into one vocabulary and one catalog."""
