"""Profiles: YAML files that describe a pipeline.

    load("shell")                                   a profile that comes with STORM
    load("my.yaml", ["videos.questions=qa.json"])   your own file, with overrides

A profile may say `extends: NAME` and give only what differs.
"""

from storm.profiles.loading import load, names
from storm.profiles.run import Run

__all__ = ["Run", "load", "names"]
