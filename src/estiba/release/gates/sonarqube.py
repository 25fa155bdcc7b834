"""Gate on SonarQube's quality gate for the analysis of the commit (SonarQube Web API, 9.9 and later)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

from estiba import responses
from estiba.errors import GateError
from estiba.release.gates.gate import number, text, url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.release.gates.gate import Context, Key

KEYS: Final[Mapping[str, Key]] = {
    "branch": text(),
    "limit": number("seconds", 0),
    "project": text(is_required=True),
    "token": text(),
    "url": url("a server"),
}

_GATE: Final = "sonarqube"
_TOKEN: Final = "SONAR_TOKEN"  # noqa: S105 - the name of the scanner's own variable
_LIMIT: Final = 300
"""Seconds to wait for the analysis, as the scanner's `sonar.qualitygate.timeout`."""
_INTERVAL: Final = 3.0
_TIMEOUT: Final = 15
_OK: Final = 200
_UNAUTHORIZED: Final = frozenset({401, 403})
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """SonarQube server.

    Attributes:
        url: Address.
        token: Token of a user who may browse the project.
        variable: Environment variable that the token is from.
        project: Project key.
        branch: Branch, or an empty string for the main one.
    """

    url: str
    token: str
    variable: str
    project: str
    branch: str

    def find_analysis(self, commit: str) -> str | None:
        """Return the key of the newest analysis of a commit, or None if there is none."""
        branch = {"branch": self.branch} if self.branch else {}
        answer = self.ask("project_analyses/search", {"project": self.project, "ps": "100", **branch})
        keys = [one["key"] for one in answer["analyses"] if one.get("revision") == commit]
        return str(keys[0]) if keys else None

    def ask(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the JSON object of an API call.

        Raises:
            GateError: The server cannot be reached, or refuses the call.
        """
        try:
            # The token as the user's name: servers before 10.0 know no bearer tokens. No redirects: to another host
            # the token must not go, and a login page is no answer.
            answer = requests.get(
                f"{self.url}/api/{path}",
                params=parameters,
                auth=(self.token, ""),
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
            responses.bound(answer)
            if answer.status_code != _OK:
                raise self._refused(answer.status_code, path)
            data = answer.json()
        except (requests.RequestException, ValueError) as error:
            msg = f"{self.url} cannot be asked: {error}"
            raise GateError(_GATE, msg) from error
        if not isinstance(data, dict):
            msg = f"{self.url}/api/{path} answers with something else than an object"
            raise GateError(_GATE, msg)
        return data

    def _refused(self, status: int, path: str) -> GateError:
        if status in _UNAUTHORIZED:
            msg = f"{self.url} refuses the token in {self.variable} ({status})"
            return GateError(_GATE, msg, hint=f"a token needs the permission to browse {self.project}")
        if status == _NOT_FOUND:
            branch = f" with a branch {self.branch!r}" if self.branch else ""
            msg = f"{self.url} has no project {self.project!r}{branch}"
            return GateError(_GATE, msg, hint=f"`project` in {_table()} is sonar.projectKey of the scanner")
        return GateError(_GATE, f"{self.url}/api/{path} answers {status}")


def check(context: Context) -> dict[str, Any]:
    """Require that the quality gate has passed in the analysis of the release's commit.

    Waits for the analysis up to the limit, since the server computes it after the scanner has ended. Evidence: the
    server, the project, the key of the analysis and the conditions.
    """
    options = context.options(_GATE)
    server = _connect(context, options)
    analysis = _wait(context, server, options.get("limit", _LIMIT))
    try:
        status = server.ask("qualitygates/project_status", {"analysisId": analysis})["projectStatus"]
        verdict, conditions = status["status"], [_describe(one) for one in status["conditions"]]
        failed = [_describe(one) for one in status["conditions"] if one["status"] != "OK"]
    except (KeyError, TypeError) as error:
        msg = f"{server.url} answers without {error} about analysis {analysis}"
        raise GateError(_GATE, msg) from error
    # `NONE` where the project has no quality gate: then nothing was judged.
    if verdict != "OK":
        msg = f"the quality gate of {server.project} is {verdict}{''.join(f'{chr(10)}  - {one}' for one in failed)}"
        raise GateError(_GATE, msg, hint=f"{server.url}/dashboard?id={server.project}")
    return {"analysis": analysis, "conditions": conditions, "project": server.project, "url": server.url}


def _connect(context: Context, options: Mapping[str, Any]) -> _Server:
    variable = options.get("token", _TOKEN)
    token = context.config.variables.get(variable, "")
    if not token:
        msg = f"the environment variable {variable} has no token"
        raise GateError(_GATE, msg, hint=f"`token` in {_table()} names the variable; {_TOKEN} is the default")
    return _Server(
        url=options["url"].rstrip("/"),
        token=token,
        variable=variable,
        project=options["project"],
        branch=options.get("branch", ""),
    )


def _wait(context: Context, server: _Server, limit: float) -> str:
    """Return the key of the analysis of the commit.

    Raises:
        GateError: There is none within the limit.
    """
    commit = context.manifest.commit
    if not commit or commit.endswith("-dirty"):
        msg = f"the release is of no commit that an analysis could name: {commit or 'none'}"
        raise GateError(_GATE, msg, hint="commit first")
    deadline = time.monotonic() + limit
    while True:
        try:
            analysis = server.find_analysis(commit)
        except (KeyError, TypeError) as error:
            msg = f"{server.url} answers without {error} about analyses of {server.project}"
            raise GateError(_GATE, msg) from error
        if analysis:
            return analysis
        left = deadline - time.monotonic()
        if left <= 0:
            msg = f"{server.url} has no analysis of commit {commit[:12]} in {server.project} after {limit} s"
            raise GateError(_GATE, msg, hint="run the scanner on this commit; it takes the revision from git")
        context.on_status(f"waiting for SonarQube's analysis of {commit[:12]}, {left:.0f} s left")
        time.sleep(min(_INTERVAL, left))


def _describe(condition: Mapping[str, Any]) -> str:
    limit = f" (limit {condition['errorThreshold']})" if "errorThreshold" in condition else ""
    return f"{condition['metricKey']} is {condition.get('actualValue', 'unknown')}{limit}: {condition['status']}"


def _table() -> str:
    return f"[tool.estiba.release.gates.{_GATE}]"
