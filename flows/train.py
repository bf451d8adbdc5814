"""`python -m flows.train`: train up to Stage II, with everything that needs."""

from flows.command import command
from flows.run import pipeline_flow

train = pipeline_flow("stage_two")

if __name__ == "__main__":
    command("stage_two")
