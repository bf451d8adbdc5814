"""File formats and metric names of the harnesses that also run our benchmarks."""
