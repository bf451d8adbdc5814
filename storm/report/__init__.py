"""What a profile has made: states of its stages, result tables and an HTML page."""
