"""Code that is copied into saved checkpoints."""
