"""Videos: question sets, decoding and the stage `videos`."""
