"""`python -m flows.evaluate`: the trained student answers test questions and benchmarks."""

from flows.command import command
from flows.run import pipeline_flow

evaluate = pipeline_flow("predictions")

if __name__ == "__main__":
    command("predictions")
