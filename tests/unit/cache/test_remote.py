from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba.cache import remote
from estiba.cache.address import Address
from estiba.cache.copy_log import CopyLog
from estiba.cache.remote import PathInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.process import Completed

SERVER = Address.parse("http://localhost:8080")
PATH = "/nix/store/zil1z8fyrc7mlj7dd23lwp4mnywijbwh-b"
INFO = {
    "ca": None,
    "downloadHash": "sha256-sn2F1IqF43uttbuniCtHAT3jURICs5BWb2cpxX2lYWU=",
    "downloadSize": 135,
    "narHash": "sha256-8Fvq1xvjIjWfQ8dP9xWkTqs3HcUuTQDVDrcaPkRT5xc=",
    "narSize": 160,
    "signatures": ["o-1:kwYD", "test-1:RSKR"],
    "url": "nar/16sbr1dd2f34l0m3dskvhz3a81j15nvys6qwr0jsx0crzy00d9lf.nar.zst",
}


class Talkative(RecordingRunner):
    """Says lines on standard error, and ends with a code."""

    def __init__(self, code: int, *lines: str) -> None:
        super().__init__(code or "")
        self._lines = lines

    def __call__(self, argv: Sequence[str], **options: object) -> Completed:
        """Pass the lines on."""
        on_line = options.get("on_line")
        for line in self._lines if callable(on_line) else ():
            on_line(line)  # type: ignore[operator]
        return super().__call__(argv, check=False)


@pytest.mark.parametrize(
    "shown",
    [[{"path": PATH, **INFO}], {PATH: INFO}, {PATH: INFO, f"{PATH}-absent": None}],
    ids=["2.18", "2.26", "absent"],
)
def test_path_info_of_all_versions_is_read(shown: object) -> None:
    """A list, an object, and null for what is not there."""
    (entry,) = remote.query(SERVER, [PATH], runner=RecordingRunner(json.dumps(shown)))

    assert entry == PathInfo(
        path=PATH,
        nar_hash=INFO["narHash"],  # type: ignore[arg-type]
        nar_size=160,
        signatures=("o-1:kwYD", "test-1:RSKR"),
        url=INFO["url"],  # type: ignore[arg-type]
        file_hash=INFO["downloadHash"],  # type: ignore[arg-type]
        file_size=135,
    )
    assert (entry.keys, entry.hash_part) == (("o-1", "test-1"), "zil1z8fyrc7mlj7dd23lwp4mnywijbwh")


def test_verify_sorts_what_nix_says() -> None:
    """Untrusted and changed paths are told apart; other errors are complaints."""
    runner = Talkative(
        3,
        f"checking '{PATH}'...",
        f"path '{PATH}' was modified! expected hash 'sha256:0pvl', got 'sha256:01vh'",
        f"path '{PATH}' is untrusted",
        "error: input compression not recognized",
    )

    verdict = remote.verify(SERVER, [PATH], public_key="team-1:AAAA", contents=True, runner=runner)

    assert (verdict.untrusted, verdict.modified) == (frozenset({PATH}), frozenset({PATH}))
    assert verdict.complaints == ("error: input compression not recognized",)
    assert runner.calls[0][-3:] == ["--option", "trusted-public-keys", "team-1:AAAA"]


def test_verify_of_nothing_runs_nothing() -> None:
    """Nix would take no paths for all paths."""
    runner = RecordingRunner()

    assert remote.verify(SERVER, [], runner=runner).untrusted == frozenset()
    assert runner.calls == []


def test_probe_quotes_the_reason() -> None:
    """Why a cache does not answer is Nix's last line."""
    assert remote.probe(SERVER, runner=RecordingRunner("")) == ""


@pytest.mark.parametrize(
    ("answer", "trusted"),
    [
        ('{"trusted": 1}', True),
        ('{"trusted": true}', True),
        ('{"trusted": false}', False),
        ('{"trusted": 0}', False),
        ("{}", True),
        (1, True),
    ],
)
def test_trust_is_read_as_nix_writes_it(answer: str | int, *, trusted: bool) -> None:
    """Versions differ in how they say it; who does not know is trusted to find out."""
    assert remote.is_trusted_user(runner=RecordingRunner(answer)) is trusted


def test_copy_log_tells_what_arrived() -> None:
    """Each path is reported when it ends; other activities and broken lines are passed over."""
    arrived: list[str] = []
    log = CopyLog(arrived.append)
    for line in (
        f'@nix {{"action":"start","fields":["{PATH}","local","file:///c"],"id":7,"level":3,"type":100}}',
        '@nix {"action":"result","fields":[8,160,0,0],"id":7,"type":105}',
        '@nix {"action":"stop","id":6}',
        "@nix {broken",
        "plain",
        '@nix {"action":"stop","id":7}',
        '@nix {"action":"msg","level":0,"msg":"\\u001b[31;1merror:\\u001b[0m HTTP error 503"}',
    ):
        log(line)

    assert (arrived, log.failure()) == ([PATH], "HTTP error 503")
