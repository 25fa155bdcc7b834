"""Evidence of a failed rollout: pods, their logs, events and hooks, kept before anything is taken back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from estiba import redaction
from estiba.deploy.logbook import now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.deploy.kubernetes.client.kubectl import Kubectl

_LINES: Final = "--tail=200"
_LARGEST: Final = 2**20
"""Bytes of one file."""


def keep(folder: Path, kubectl: Kubectl, labels: Mapping[str, str], texts: Mapping[str, str]) -> Path:
    """Write the evidence to a new folder below another one, readable for this user alone, and return it.

    Args:
        folder: Folder for all evidence.
        kubectl: kubectl for the namespace.
        labels: Labels of the release's pods.
        texts: Further files by name.
    """
    made = folder / now().replace(":", "").replace("+", "-")
    made.mkdir(parents=True, mode=0o700)
    selector = f"--selector={','.join(f'{key}={value}' for key, value in labels.items())}"
    commands = {
        "pods.txt": ("get", "pods,jobs,deployments,replicasets", "--output=wide", selector),
        "describe.txt": ("describe", "pods", selector),
        "events.txt": ("get", "events", "--sort-by=.lastTimestamp"),
        "logs.txt": ("logs", selector, "--all-containers", "--prefix", "--ignore-errors", _LINES),
        "logs-previous.txt": (
            "logs",
            selector,
            "--all-containers",
            "--prefix",
            "--ignore-errors",
            "--previous",
            _LINES,
        ),
    }
    for name, arguments in commands.items():
        # A container without a previous run is an error of kubectl's, and no reason to keep nothing of the others.
        done = kubectl.ask(*arguments)
        _write(made / name, done.stdout or done.tail)
    for name, text in texts.items():
        _write(made / name, text)
    return made


def _write(path: Path, text: str) -> None:
    content = redaction.redact_text(text).encode()[-_LARGEST:]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
