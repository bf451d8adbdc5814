"""Child processes: whatever may hang or crash runs in one that its owner can end."""
