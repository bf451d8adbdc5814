"""STORM: teach a video-language model to think in K latent states."""

from storm.runtime import set_environment

set_environment()
