"""New services from the template."""

from __future__ import annotations
