"""Training: batches, fine-tuning, evaluation, runs and their registry."""
