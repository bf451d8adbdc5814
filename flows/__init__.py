"""Prefect flows: the only code that imports Prefect."""

import storm as storm  # its library settings must stand before Prefect loads
