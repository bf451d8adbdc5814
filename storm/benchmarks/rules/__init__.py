"""Extraction rules: how a response is cleaned and compared with the answer."""
