"""Small random students of the real architectures."""
