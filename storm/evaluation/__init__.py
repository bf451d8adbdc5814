"""The stages that answer test questions and benchmarks, and their results."""
