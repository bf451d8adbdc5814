"""A toy task that needs eight steps of tracking: videos, teacher, generator, curriculum."""
