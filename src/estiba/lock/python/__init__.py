"""Python distributions: resolved by pip-tools, one file chosen for each platform."""
