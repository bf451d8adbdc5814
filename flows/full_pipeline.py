"""`python -m flows.full_pipeline`: from videos to scores; deployed as `storm/full-pipeline`."""

from flows.command import command
from flows.run import pipeline_flow

full_pipeline = pipeline_flow("results")

if __name__ == "__main__":
    command("results")
