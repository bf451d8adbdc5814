"""Whether latent targets are worth training on, asked of a student that was not trained."""
