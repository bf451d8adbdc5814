"""Prefect flows: the only code that imports Prefect."""

from storm.process.environment import set_environment

set_environment()  # Prefect reads its settings when it loads
