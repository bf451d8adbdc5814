"""From a profile to the graph of stages."""
