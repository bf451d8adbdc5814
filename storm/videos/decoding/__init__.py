"""Strict decoding of video files and folders of frames."""
