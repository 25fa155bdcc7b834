"""kubectl for one namespace: objects in and out as JSON, and errors that say which cluster refused what."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import BusyError, TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.process import Completed, Runner

_LIMIT: Final = "--request-timeout=20s"
_UNREACHABLE: Final = re.compile(
    r"connection refused|no such host|i/o timeout|Unable to connect|no route to host|deadline exceeded"
    r"|TLS handshake timeout|network is unreachable|certificate|no configuration has been",
    re.IGNORECASE,
)
_NO_CONFIGURATION: Final = re.compile(r"error: stat |error loading config file|context \S+ does not exist")
_DENIED: Final = re.compile(r"\(Forbidden\)|is forbidden|\(Unauthorized\)|must be logged in|provide credentials")
_ABSENT: Final = "(NotFound)"
_NO_NAMESPACE: Final = re.compile(r'namespaces "[^"]*" not found')
_CONFLICT: Final = re.compile(r"\(Conflict\)|\(AlreadyExists\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """kubectl with the flags that choose a cluster and a namespace.

    Attributes:
        runner: Runs it.
        namespace: Namespace of all objects.
        context: Context of the kubeconfig; empty for its current one.
        kubeconfig: The kubeconfig; empty for kubectl's own choice.
    """

    runner: Runner
    namespace: str
    context: str = ""
    kubeconfig: str = ""

    def argv(self, *arguments: str) -> list[str]:
        """Return a complete command."""
        flags = {"--context": self.context, "--kubeconfig": self.kubeconfig, "--namespace": self.namespace}
        return ["kubectl", *(f"{flag}={value}" for flag, value in flags.items() if value), *arguments]

    def run(self, *arguments: str, stdin: str | None = None) -> Completed:
        """Run a command.

        Raises:
            BusyError: An object has been changed by somebody else meanwhile.
            TargetError: The cluster cannot be reached, or refuses the command.
        """
        done = self.ask(*arguments, stdin=stdin)
        if done.code:
            raise explain(done.tail, self)
        return done

    def ask(self, *arguments: str, stdin: str | None = None) -> Completed:
        """Run a command whose failure is an answer."""
        return self.runner(self.argv(_LIMIT, *arguments), stdin=stdin, check=False)

    def ask_all(self, *arguments: str, stdin: str) -> tuple[int, str]:
        """Run a command whose failure is an answer; return exit code and standard error, which may be long."""
        said: list[str] = []
        done = self.runner(self.argv(_LIMIT, *arguments), stdin=stdin, check=False, on_line=said.append)
        return done.code, "\n".join(said)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None if there is none.

        Raises:
            TargetError: The cluster cannot be reached, or refuses.
        """
        done = self.ask("get", kind, name, "--output=json")
        if done.code and _ABSENT in done.tail:
            return None
        if done.code:
            raise explain(done.tail, self)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def list(self, kinds: str, labels: Mapping[str, str], *options: str) -> list[dict[str, Any]]:
        """Return the objects of some kinds that have some labels.

        Raises:
            TargetError: The cluster cannot be reached, or refuses.
        """
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        chosen = [f"--selector={selector}"] if selector else []
        found: list[dict[str, Any]] = json.loads(self.run("get", kinds, *chosen, "--output=json", *options).stdout)[
            "items"
        ]
        return found

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object.

        Raises:
            BusyError: It exists already.
            TargetError: The cluster cannot be reached, or refuses.
        """
        done = self.run("create", "--filename=-", "--output=json", stdin=json.dumps(document))
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    def replace(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object; one with a `resourceVersion` only if nobody has changed it since it was read.

        Raises:
            BusyError: Somebody has.
            TargetError: The cluster cannot be reached, or refuses.
        """
        done = self.run("replace", "--filename=-", "--output=json", stdin=json.dumps(document))
        made: dict[str, Any] = json.loads(done.stdout)
        return made


def explain(tail: str, kubectl: Kubectl) -> TargetError | BusyError:
    """Return the error for what kubectl or helm has said last."""
    said = [line for line in tail.splitlines() if line.strip()]
    last = said[-1].removeprefix("error: ") if said else "no reason given"
    where = f"the cluster{f' of the context {kubectl.context}' if kubectl.context else ''}"
    chosen = {"--context": kubectl.context, "--kubeconfig": kubectl.kubeconfig}
    hint = shlex.join(["kubectl", *(f"{flag}={value}" for flag, value in chosen.items() if value)])
    if _CONFLICT.search(tail):
        msg = f"somebody else changes namespace {kubectl.namespace} at this moment: {last}"
        return BusyError(msg, hint="run the command again when they are done")
    if _DENIED.search(tail):
        msg = f"{where} does not let this account do it in namespace {kubectl.namespace}: {last}"
        return TargetError(msg, hint=f"{hint} --namespace={kubectl.namespace} auth can-i --list")
    if _NO_NAMESPACE.search(tail):
        msg = f"{where} has no namespace {kubectl.namespace}"
        return TargetError(msg, hint=f"{hint} create namespace {kubectl.namespace}, or mend `namespace` of the target")
    if _NO_CONFIGURATION.search(tail):
        msg = f"{where} cannot be reached: {last}"
        return TargetError(msg, hint=f"{hint} config get-contexts, and `context` and `kubeconfig` of the target")
    if _UNREACHABLE.search(tail):
        msg = f"{where} cannot be reached: {last}"
        return TargetError(msg, hint=f"{hint} cluster-info")
    msg = f"{where}: {last}"
    return TargetError(msg)
