"""Benchmarks: their questions, prompts and rules, and the statistics of their scores."""
