"""Features of videos, as the student's frozen vision encoder sees them."""
