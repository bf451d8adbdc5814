"""Question sets in files and on the hub, as `VideoSample` rows."""
