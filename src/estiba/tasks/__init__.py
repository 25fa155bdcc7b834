"""Invoke tasks of a service; its `tasks.py` imports them in one line: `from estiba.tasks import ns`."""

from __future__ import annotations

import sys

from estiba.tasks import import_path

import_path.prepare()

from estiba.tasks.collection import load  # noqa: E402 - found on the path as it is now

ns = load(__name__, __path__, sys.argv[1:])

__all__ = ["ns"]
