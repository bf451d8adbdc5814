"""`python -m flows.generate_targets`: make the latent targets and everything they need."""

from flows.command import command
from flows.run import pipeline_flow

generate_targets = pipeline_flow("latent_targets")

if __name__ == "__main__":
    command("latent_targets")
