"""Logbook of a service: entries are appended here, pushed, and put behind those of others who were quicker."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy import chain
from estiba.errors import CommandError, LogbookError
from estiba.process import run
from estiba.redaction import find_secrets, redact_mapping, redact_text
from estiba.release.logbook import actor, settings
from estiba.release.logbook.entry import FIELDS, Entry
from estiba.release.logbook.git_branch import GitBranch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Runner

_ATTEMPTS: Final = 6
_PAUSE: Final = 0.1
"""Seconds before the second attempt to push; doubled for each further one."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logbook:
    """Logbook of a service.

    Attributes:
        branch: Branch that holds it.
        service: Name of the service, of new entries.
        actor: Actor of new entries.
        push: Whether to push.
        secrets: Values that no entry may contain.
        clock: Returns the current time, with a time zone.
        sleep: Waits for a number of seconds.
    """

    branch: GitBranch
    service: str
    actor: str
    push: bool = True
    secrets: Collection[str] = field(default=(), repr=False)
    clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
    sleep: Callable[[float], None] = time.sleep

    def append(self, **fields: Any) -> Entry:  # noqa: ANN401 - those of Entry
        """Append an entry, push it if the repository has the remote, and return it as it stands in the end.

        If the remote cannot be reached, the entry waits on the local branch for the next one, and a warning says so.

        Args:
            fields: Fields of `Entry`; `command` is required. Secrets in them are redacted.

        Raises:
            LogbookError: There is no git repository, it cannot be written, or the logbook is damaged.
        """
        if wrong := sorted(fields.keys() - FIELDS):
            msg = f"an entry of the logbook has no field {wrong[0]!r}"
            raise LogbookError(msg)
        given = {"service": self.service, "actor": self.actor, **fields}
        entry = Entry(
            number=0, before="", hash="", at=self.clock().astimezone(UTC).isoformat("T", "milliseconds"), **given
        )
        data = redact_mapping(entry.to_dict(), self.secrets)
        try:
            lines = self._write(data)
            if self.push and self.branch.has_remote():
                lines = self._publish()
        except CommandError as error:
            msg = f"the logbook cannot be written: {error.tail or error.message}"
            raise LogbookError(msg, hint="git fsck") from error
        content = chain.strip(data)
        return next(_parse(line) for line in reversed(lines) if chain.strip(chain.parse(line)) == content)

    def entries(self) -> list[Entry]:
        """Return the entries of this clone, oldest first, without asking the remote; `update` does that.

        Raises:
            LogbookError: There is no git repository, or the logbook is damaged.
        """
        return [_parse(line) for line in self._lines()]

    def update(self) -> str:
        """Fetch the entries of others, and return why that failed; empty for success, or without a remote.

        Raises:
            LogbookError: There is no git repository, or the remote's logbook does not continue what was seen of it.
        """
        if not self.branch.has_remote():
            return ""
        fetched, problem = self.branch.fetch()
        if not problem:
            self._rebase(fetched)
        return problem

    def verify(self) -> tuple[str, ...]:
        """Return what is wrong with the logbook here, in its history, and at the remote; changes nothing.

        Raises:
            LogbookError: There is no git repository.
        """
        tip = self._tip()
        lines = self.branch.read(tip)
        problems = chain.verify(lines)
        rewritten = self.branch.rewritten(tip) if tip else []
        problems += [f"commit {commit[:12]} changed or removed entries that it found" for commit in rewritten]
        if not self.branch.has_remote():
            return tuple(problems)
        fetched, problem = self.branch.fetch()
        if problem:
            return (*problems, f"{self.branch.remote} cannot be compared with: {problem}")
        known, theirs = self.branch.read(self.branch.baseline()), self.branch.read(fetched)
        problems += [f"at {self.branch.remote} {wrong}" for wrong in chain.verify(theirs)]
        return (*problems, *filter(None, [self._lost(known, lines, "here"), self._lost(known, theirs, "there")]))

    def _lost(self, known: list[str], lines: list[str], where: str) -> str:
        """Return how lines fail to continue those that were seen at the remote before, or an empty string."""
        if number := chain.compare(lines, known):
            return f"entry {number} {where} is another one than was seen at {self.branch.remote} before"
        missing = len(lines) + 1
        return f"entry {missing} was at {self.branch.remote}, and is not {where}" if missing <= len(known) else ""

    def _tip(self) -> str:
        return self.branch.tip(self.branch.local) or self.branch.baseline()

    def _lines(self) -> list[str]:
        return self.branch.read(self._tip())

    def _write(self, data: Mapping[str, Any]) -> list[str]:
        """Append an entry to the local branch, behind whatever another process writes there meanwhile."""
        for attempt in range(_ATTEMPTS):
            tip = self.branch.tip(self.branch.local)
            parent = tip or self.branch.baseline()
            lines = self.branch.read(parent)
            lines.append(chain.seal(data, lines))
            if self.branch.move(self.branch.commit(lines, parent, _describe(data)), tip):
                return lines
            self.sleep(_PAUSE * 2**attempt)
        msg = f"the logbook's branch {self.branch.name} cannot be moved"
        raise LogbookError(msg, hint="another process may hold it; run the command again")

    def _publish(self) -> list[str]:
        """Push what is on the local branch, or say in a warning why not; return the lines in the end."""
        problem = ""
        for attempt in range(_ATTEMPTS):
            if problem := self._lost(self.branch.read(self.branch.baseline()), self._lines(), "here"):
                break
            tip = self._tip()
            if not (problem := self.branch.push(tip)):
                return self._lines()
            fetched, failure = self.branch.fetch()
            try:
                self._rebase("" if failure else fetched)
            except LogbookError as error:
                failure = error.message
            if failure:
                problem = failure
                break
            if self._tip() == tip:
                # Another push may hold the ref at this moment; a refusal for good lasts as long as the attempts.
                self.sleep(_PAUSE * 2**attempt)
        self._warn(problem)
        return self._lines()

    def _warn(self, problem: str) -> None:
        waiting = len(self._lines()) - len(self.branch.read(self.branch.baseline()))
        _log.warning(
            "%d %s of the logbook could not be pushed to %s: %s; the next entry takes them along",
            waiting,
            "entry" if waiting == 1 else "entries",
            self.branch.remote,
            redact_text(problem.splitlines()[-1], self.secrets),
        )

    def _rebase(self, fetched: str) -> None:
        """Put the entries that are only here behind those that were fetched.

        Args:
            fetched: Commit of the remote's branch, or an empty string where it has none.

        Raises:
            LogbookError: The remote's logbook does not continue what was seen of it before.
        """
        theirs = self.branch.read(fetched)
        if problem := self._lost(self.branch.read(self.branch.baseline()), theirs, "there"):
            msg = f"the logbook at {self.branch.remote} was rewritten: {problem}"
            raise LogbookError(msg, hint="invoke logbook.verify")
        for attempt in range(_ATTEMPTS):
            tip = self.branch.tip(self.branch.local)
            if not fetched or self.branch.contains(tip, fetched):
                break
            ours = self.branch.read(tip)
            number = chain.compare(ours, theirs)
            own = ours[number - 1 :] if number else ours[len(theirs) :]
            message = f"Put {len(own)} entries behind those of others"
            moved = self.branch.commit(chain.append(theirs, own), fetched, message) if own else fetched
            if self.branch.move(moved, tip):
                break
            self.sleep(_PAUSE * 2**attempt)
        if fetched:
            self.branch.accept(fetched)


def load(folder: Path, table: Mapping[str, Any], config: Config, *, service: str, runner: Runner = run) -> Logbook:
    """Return the logbook of a service.

    Args:
        folder: Folder of the service, in a git repository.
        table: Table `[tool.estiba.release.logbook]`.
        config: Settings from the environment. Values of its variables that have names of secrets get into no entry.
        service: Name of the service.
        runner: Runs git.

    Raises:
        ConfigError: Settings are invalid.
    """
    chosen = settings.parse(table)
    return Logbook(
        branch=GitBranch(
            folder=folder,
            name=chosen.branch,
            remote=chosen.remote,
            environment=config.environment(),
            runner=runner,
        ),
        service=service,
        actor=actor.find(folder, config, runner=runner),
        push=chosen.push,
        secrets=find_secrets(config.variables),
    )


def _parse(line: str) -> Entry:
    try:
        return Entry.from_dict(chain.parse(line))
    except TypeError as error:
        msg = f"a line of the logbook lacks fields: {line[:80]!r}"
        raise LogbookError(msg, hint="invoke logbook.verify") from error


def _describe(data: Mapping[str, Any]) -> str:
    """Return the subject of an entry's commit, such as `deploy shop 1.2.0 on production: deployed`."""
    words = [data["command"], data["service"], data.get("version", "")]
    where = f" on {data['target']}" if data.get("target") else ""
    return " ".join(filter(None, words)) + where + (f": {data['result']}" if data.get("result") else "")
