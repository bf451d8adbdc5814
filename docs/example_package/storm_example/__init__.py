"""One component of each kind for STORM."""
