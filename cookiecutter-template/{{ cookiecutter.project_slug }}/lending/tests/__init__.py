"""Tests of lending; those of the service are in `tests/` beside it."""
