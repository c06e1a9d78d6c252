"""What makes one step of a training on many processes: with torch alone, or with DeepSpeed."""
