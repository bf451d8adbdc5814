"""STORM: teach a video-language model to think in K latent states."""

from storm.process.environment import set_environment

set_environment()
