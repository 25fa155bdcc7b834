"""Helm for one release: its argv, and what it answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.kubernetes.client import kubectl as kubectls
from estiba.errors import CommandError, DeployError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from estiba.deploy.kubernetes.client.kubectl import Kubectl
    from estiba.process import Completed, Runner

_VERSION: Final = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_LEAST: Final = (4, 0, 0)
_BROKEN: Final = {(4, 2, 1): "it hangs in hooks (helm#32214)"}
"""Versions that are refused, with the reason."""

_CUSTOM: Final = frozenset({"Rollout", "ExternalSecret", "HTTPRoute", "Certificate"})
"""Kinds whose status says for a long time, or for ever, that they are not ready, though the pods are (helm#32615)."""

_HISTORY: Final = 100
"""Revisions that Helm keeps; a release that fails and is taken back makes two."""

_TEST: Final = re.compile(r"\bPod/[^/\s]+/(\S+) not ready")
"""Pod of a test that has failed, in Helm's error; with --logs its output is among that of all others, or nowhere."""

PENDING: Final = ("pending-", "uninstalling")
"""Starts of the statuses of a revision whose command was killed, or still runs."""

_ABSENT: Final = "release: not found"
"""Helm's `ErrReleaseNotFound`; a program that gives credentials may be what is not found, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Revision of a Helm release: number, and Helm's status such as `deployed` or `failed`."""

    number: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """Helm with the flags that choose cluster, namespace and release.

    Attributes:
        kubectl: kubectl with the same flags.
        runner: Runs Helm.
        watched: Runs Helm with a callback that is called while it runs, and may end it; see `process.run_watched`.
        release: Name of the release.
        timeout: Time limit of each wait in seconds.
    """

    kubectl: Kubectl
    runner: Runner
    watched: Callable[..., Completed]
    release: str
    timeout: int

    def argv(self, *arguments: str) -> list[str]:
        """Return a complete command."""
        chosen = {"--kube-context": self.kubectl.context, "--kubeconfig": self.kubectl.kubeconfig}
        flags = [f"{flag}={value}" for flag, value in chosen.items() if value]
        return ["helm", *arguments, f"--namespace={self.kubectl.namespace}", *flags]

    def check_version(self) -> None:
        """Refuse a Helm that is known to fail.

        Raises:
            TargetError: It is too old, or has a known fault.
        """
        said = self.runner(["helm", "version", "--template={{.Version}}"]).stdout
        found = _VERSION.search(said)
        version = tuple(map(int, found.groups())) if found else (0, 0, 0)
        reason = _BROKEN.get((version[0], version[1], version[2]), "")
        if version < _LEAST or reason:
            msg = f"Helm {said.strip()} cannot be used: {reason or 'Helm 4 is needed'}"
            raise TargetError(msg, hint="the shell of ./nixw develop has one that can")

    def history(self) -> list[Revision]:
        """Return the revisions of the release, oldest first; none before the first installation.

        Raises:
            TargetError: The cluster cannot be reached, or refuses.
        """
        done = self.runner(self.argv("history", self.release, "--output=json"), check=False)
        if done.code and _ABSENT in done.tail:
            return []
        self._check(done)
        rows = json.loads(done.stdout)
        return [Revision(number=int(row["revision"]), status=str(row["status"])) for row in rows]

    def manifest(self, revision: int = 0) -> str:
        """Return the YAML of the objects of a revision, by default of the last one, without its hooks."""
        return self._get("manifest", revision)

    def hooks(self, revision: int = 0) -> str:
        """Return the YAML of the hooks of a revision."""
        return self._get("hooks", revision)

    def template(self, chart: Path, values: Sequence[str], *, is_upgrade: bool) -> str:
        """Return the YAML of the objects that an upgrade would apply, with its hooks.

        Args:
            chart: Folder of the chart.
            values: Options that give the values, as `--values=FILE`.
            is_upgrade: Whether there is a revision already.

        Raises:
            TargetError: The chart refuses the values, or cannot be rendered.
        """
        options = ["--is-upgrade"] if is_upgrade else []
        done = self.runner(self.argv("template", self.release, str(chart), *values, *options), check=False)
        if done.code:
            msg = f"the chart {chart} cannot be rendered: {_last(done.tail)}"
            raise TargetError(msg, hint=f"helm lint {chart} {' '.join(values)}")
        return done.stdout

    def upgrade_argv(
        self, chart: Path, values: Sequence[str], *, strategy: str, labels: Mapping[str, str], description: str
    ) -> list[str]:
        """Return the command that installs or upgrades the release."""
        return self.argv(
            "upgrade",
            "--install",
            self.release,
            str(chart),
            "--reset-values",
            *values,
            "--server-side=auto",
            f"--wait={strategy}",
            "--wait-for-jobs",
            f"--timeout={self.timeout}s",
            f"--history-max={_HISTORY}",
            f"--labels={','.join(f'{key}={value}' for key, value in labels.items())}",
            f"--description={description}",
            "--output=json",
        )

    def rollback_argv(self, revision: int, *, strategy: str) -> list[str]:
        """Return the command that returns to a revision."""
        return self.argv(
            "rollback",
            self.release,
            str(revision),
            "--server-side=auto",
            f"--wait={strategy}",
            "--wait-for-jobs",
            f"--timeout={self.timeout}s",
            f"--history-max={_HISTORY}",
        )

    def change(self, argv: Sequence[str], poll: Callable[[], None]) -> None:
        """Run a command that changes the release.

        Args:
            argv: Result of `upgrade_argv` or `rollback_argv`.
            poll: Called every other second; an exception ends Helm, and is raised again.

        Raises:
            DeployError: Helm failed; the message is its last line.
        """
        try:
            self.watched(argv, poll=poll)
        except CommandError as error:
            raise DeployError(_last(error.tail)) from error

    def test(self, poll: Callable[[], None]) -> str:
        """Run the chart's tests and return their output.

        Raises:
            DeployError: A test failed; the message has its output.
        """
        argv = self.argv("test", self.release, "--logs", f"--timeout={self.timeout}s")
        try:
            return str(self.watched(argv, poll=poll).stdout)
        except CommandError as error:
            msg = f"helm test failed: {_last(error.tail)}"
            if (pod := _TEST.search(error.tail)) and (said := self.kubectl.ask("logs", pod[1], "--tail=15").stdout):
                msg = f"{msg}\n{said.rstrip()}"
            raise DeployError(msg) from error

    def uninstall(self) -> None:
        """Remove the release.

        Raises:
            TargetError: The cluster cannot be reached, or refuses.
        """
        done = self.runner(self.argv("uninstall", self.release, f"--timeout={self.timeout}s", "--wait"), check=False)
        if done.code and _ABSENT not in done.tail:
            self._check(done)

    def _get(self, what: str, revision: int) -> str:
        chosen = [f"--revision={revision}"] if revision else []
        done = self.runner(self.argv("get", what, self.release, *chosen), check=False)
        if done.code and _ABSENT in done.tail:
            return ""
        self._check(done)
        return done.stdout

    def _check(self, done: Completed) -> None:
        if done.code:
            raise kubectls.explain(done.tail, self.kubectl)


def choose_strategy(objects: Sequence[Mapping[str, Any]]) -> str:
    """Return the value of `--wait` for some objects: `legacy` where a custom resource would never count as ready."""
    return "legacy" if any(one.get("kind") in _CUSTOM for one in objects) else "watcher"


def _files(values: Sequence[str]) -> list[str]:
    return [f"--values={path}" for path in values]


def _last(tail: str) -> str:
    lines = [line for line in tail.splitlines() if line.strip() and not line.startswith(("WARNING", "level="))]
    return lines[-1].removeprefix("Error: ") if lines else "helm gave no reason"
