"""Python distributions: resolution with pip-tools, and selection of a file for each platform."""
