"""The Invoke collection of all tasks: every module of this package is a namespace of its own name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

from invoke import Collection

_NOT_TASKS: Final = frozenset({"collection", "console"})


def load(package: str, path: list[str]) -> Collection:
    """Compose the namespaces found in a package; adding a module there adds its tasks."""
    collection = Collection()
    names = sorted(module.name for module in pkgutil.iter_modules(path))
    for name in names:
        if name not in _NOT_TASKS:
            module = importlib.import_module(f"{package}.{name}")
            collection.add_collection(Collection.from_module(module), name=name)
    return collection
