"""Training: a specification, its objectives, and the ranks that run it on DeepSpeed."""
