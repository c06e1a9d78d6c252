"""Fine-tunes: what a pre-trained model is made fit for, and how."""
