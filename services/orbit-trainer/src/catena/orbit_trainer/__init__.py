"""ORBIT trainer: pre-trains the foundation model on any mesh of processes, fine-tunes, plans."""
