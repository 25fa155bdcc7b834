"""Every error that Estiba raises on purpose, one class per cause, each with its own exit code."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LISTED: Final = 14
"""Maximum number of valid choices to list; more would bury the message."""


class EstibaError(Exception):
    """Base of all errors meant for the user.

    The message says what happened, where, and what to do next. It starts in lower case and carries no prefix.

    Attributes:
        exit_code: The process exit code when the error reaches the command line.
        hint: The next command to run or setting to change, or an empty string.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, with the hint on a line of its own."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class StaleLockError(EstibaError):
    """The lock file is missing, or its inputs changed since it was written."""

    exit_code = 2


class ConfigError(EstibaError):
    """A configuration file or environment variable has invalid values; the message lists all of them.

    Attributes:
        where: The file, table or variable.
        problems: One sentence per invalid value.
    """

    exit_code = 78  # EX_CONFIG of sysexits.h(3head)

    def __init__(self, where: str, problems: Sequence[str], *, hint: str = "") -> None:
        listed = problems[0] if len(problems) == 1 else "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{where}: {listed}", hint=hint)
        self.where = where
        self.problems = tuple(problems)


class LockFormatError(EstibaError):
    """A lock file cannot be used: another format version, invalid records, or edited by hand."""

    exit_code = 20


class ResolutionError(EstibaError):
    """pip or apt found no set of versions that satisfies the requirements; the message quotes the resolver."""

    exit_code = 21


class ArtifactError(EstibaError):
    """An artifact is missing from the store or its mirror, or does not have the locked hash."""

    exit_code = 22


class BuildError(EstibaError):
    """A Nix build failed."""

    exit_code = 7


class CommandError(EstibaError):
    """A child process exited with a code other than 0.

    Attributes:
        argv: Command and arguments.
        code: Exit code; negative for the number of the signal that ended the process.
        tail: Last lines of standard error.
    """

    exit_code = 8

    def __init__(self, argv: Sequence[str], code: int, tail: str, *, hint: str = "") -> None:
        shown = f"\n{tail}" if tail else ""
        super().__init__(f"{argv[0]} exited with {code}{shown}", hint=hint)
        self.argv = tuple(argv)
        self.code = code
        self.tail = tail


class MissingProgramError(EstibaError):
    """A program is not on PATH."""

    exit_code = 9


class BusyError(EstibaError):
    """Another process holds the lock of the same files, or uses the same store path."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h(3head)


class LostLockError(BusyError):
    """This process has lost its lock to another one, which goes on with what this one has left."""


class RegistryError(EstibaError):
    """An OCI registry refused a request or could not be reached."""

    exit_code = 11


class VerificationError(EstibaError):
    """A rebuild has another digest than expected, or the image does not name what it was built from."""

    exit_code = 1


class ImageRefError(EstibaError):
    """An image reference is malformed, or names no registry host where one is needed."""

    exit_code = 12


class LayoutError(EstibaError):
    """An OCI image layout or one of its documents is damaged; the message lists all problems.

    Attributes:
        where: The file or document.
        problems: One sentence per problem.
    """

    exit_code = 13

    def __init__(self, where: str, problems: Sequence[str], *, hint: str = "") -> None:
        listed = problems[0] if len(problems) == 1 else "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{where}: {listed}", hint=hint)
        self.where = where
        self.problems = tuple(problems)


class EngineError(EstibaError):
    """The Docker engine cannot be reached, or refused an image."""

    exit_code = 14


class ScaffoldError(EstibaError):
    """A new service cannot be created: its folder exists, or an answer is invalid."""

    exit_code = 15


class CacheError(EstibaError):
    """A binary cache or its signing key cannot be used: missing, unreachable, refused, or conflicting contents."""

    exit_code = 16


class TargetError(EstibaError):
    """A target cannot be deployed to: its port is in use, or its state folder or data are unusable."""

    exit_code = 17


class ConnectionLostError(TargetError):
    """The server of a target cannot be reached by ssh, or not any more."""


class DeployError(EstibaError):
    """A deployment was refused, or failed before it changed what is served; the message names the evidence."""

    exit_code = 18


class ChartError(EstibaError):
    """A Helm chart cannot be packaged, pushed or rendered."""

    exit_code = 24


class DriftError(EstibaError):
    """Files of a service that are rendered from its settings are not what the settings say."""

    exit_code = 2


class ApprovalError(EstibaError):
    """A release waits for an approval: there is none, it is for another plan, has expired, or nobody may give it."""

    exit_code = 3


class GateError(EstibaError):
    """A gate of a release refused it, or could not be asked, which counts as a refusal.

    Attributes:
        gate: Name of the gate, as `--skip` takes it.
    """

    exit_code = 4

    def __init__(self, gate: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"gate {gate}: {message}", hint=hint)
        self.gate = gate


class RolledBackError(DeployError):
    """A deployment failed after it had changed what is served, and the previous release is served again."""

    exit_code = 5


class StrandedError(DeployError):
    """A deployment failed, and so did the way back, or there is none: a human has to decide what is served."""

    exit_code = 6


class PlanError(EstibaError):
    """A commit cannot be released, or a plan cannot be run: its inputs have moved since, or its file is damaged."""

    exit_code = 23


class LogbookError(EstibaError):
    """The logbook of releases cannot be read or written, or entries were changed, removed, moved or forged."""

    exit_code = 25


class ReleaseError(EstibaError):
    """A release manifest or the journal of a release cannot be read: missing, another format version, or damaged."""

    exit_code = 19


class UsageError(EstibaError):
    """The command line misses an argument, or has one that is not understood."""

    exit_code = 64  # EX_USAGE of sysexits.h(3head)


class ChoiceError(UsageError):
    """An argument is none of the valid choices; the message lists them and suggests the closest match.

    Attributes:
        given: The argument.
        known: The valid choices.
    """

    def __init__(self, what: str, given: str, known: Sequence[str], *, hint: str = "") -> None:
        near = difflib.get_close_matches(given, known, n=1)
        listed = f"; there is {', '.join(known)}" if len(known) <= _LISTED else ""
        meant = f"; did you mean {near[0]!r}?" if near else ""
        super().__init__(f"no {what} {given!r}{listed}{meant}", hint=hint)
        self.given = given
        self.known = tuple(known)


def describe_unknown(key: str, known: Iterable[str]) -> str:
    """Return the sentence about an unknown key of settings, with the known one that is most like it, or with all."""
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1)
    return f"unknown key {key!r}" + (f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}")
