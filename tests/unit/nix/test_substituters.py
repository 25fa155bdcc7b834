from __future__ import annotations

import json

import pytest

from estiba.nix import substituters
from estiba.nix.log import BuildLog

# Messages as Nix 2.26 logs them with `--log-format internal-json`, colours included.
URL = "http://127.0.0.1:18099"
PATH = "/nix/store/zil1z8fyrc7mlj7dd23lwp4mnywijbwh-b"
RED, PINK, OFF = "\x1b[31;1m", "\x1b[35;1m", "\x1b[0m"
WARN = f"{PINK}warning:{OFF} "
ERROR = f"{RED}error:{OFF} "
FAILED = f"unable to {PINK}download{OFF} '{PINK}{URL}/nix-cache-info{OFF}': Could not connect to server (7)"
RETRIED = f"{WARN}{ERROR}{FAILED}; retrying in 262 ms"
GIVEN_UP = f"{WARN}{FAILED}"
NO_KEY = f"as it's not signed by any of the keys in '{PINK}trusted-public-keys{OFF}'"
UNSIGNED = f"{WARN}ignoring substitute for '{PINK}{PATH}{OFF}' from '{PINK}{URL}{OFF}', {NO_KEY}"
HASHES = "         specified: sha256:0vg\n         got:       sha256:1bp"
MODIFIED = f"{ERROR}hash mismatch importing path '{PINK}{PATH}{OFF}';\n{HASHES}"
NOT_TRUSTED = "because it is a restricted setting and you are not a trusted user"
RESTRICTED = f"{WARN}ignoring the client-specified setting '{PINK}extra-substituters{OFF}', {NOT_TRUSTED}"


def log(*messages: tuple[int, str]) -> BuildLog:
    """Return a log with one substitution and some messages, each with its level."""
    said = BuildLog()
    start = {"action": "start", "fields": [PATH, URL], "id": 8, "level": 0, "parent": 0, "text": "", "type": 108}
    said.feed(f"@nix {json.dumps(start)}")
    for level, text in messages:
        said.feed(f"@nix {json.dumps({'action': 'msg', 'level': level, 'msg': text})}")
    return said


def test_quiet_log_has_no_trouble() -> None:
    """A build without messages is not warned about."""
    assert substituters.explain_failures(log((3, "this path will be fetched"))) == []


@pytest.mark.parametrize(
    "messages",
    [
        [(1, RETRIED), (1, GIVEN_UP)],
        [(1, RETRIED), (0, f"disabling binary cache '{URL}' for 60 seconds"), (1, GIVEN_UP)],
        [(0, f"{RED}error:{OFF} unable to download '{URL}/nar/0qk0.nar.zst': Could not connect to server (7)")],
        [(0, f"disabling binary cache '{URL}' for 60 seconds")],
    ],
    ids=["unknown", "with fallback", "known", "disabled"],
)
def test_cache_that_is_down_is_named_once(messages: list[tuple[int, str]]) -> None:
    """However often Nix complains, the user reads one sentence."""
    assert substituters.explain_failures(log(*messages)) == [f"the cache at {URL} does not answer; went on without it"]


def test_retried_download_is_no_trouble() -> None:
    """What works at the second try needs no warning."""
    assert substituters.explain_failures(log((1, RETRIED))) == []


def test_other_downloads_are_no_cache() -> None:
    """A flake that cannot be downloaded is told by the build's own error."""
    assert (
        substituters.explain_failures(log((0, "unable to download 'https://example.org/flake.tar.gz': HTTP error 404")))
        == []
    )


def test_unsigned_paths_are_counted() -> None:
    """One sentence for each cache has the number of paths and the command that trusts a key."""
    (told,) = substituters.explain_failures(log((1, UNSIGNED), (1, UNSIGNED)))

    assert told.startswith(f"the cache at {URL} has 2 paths that no trusted key signed; refused them.")
    assert told.endswith(f"`invoke cache.use {URL} --public-key KEY` trusts a key")


def test_damaged_archive_names_the_cache() -> None:
    """The cache that a path came from is found by the path."""
    (told,) = substituters.explain_failures(log((0, MODIFIED)))

    reason = f"hash mismatch importing path '{PATH}'; specified: sha256:0vg got: sha256:1bp"
    hint = "`invoke cache.info … --verify` lists all of it"
    assert told == f"the cache at {URL} is damaged; refused what it sent: {reason}. {hint}"


@pytest.mark.parametrize(
    "text",
    [
        "failed to read compressed data (Truncated zstd input)",
        "Failed to open archive (Truncated zstd input)",
        "input compression not recognized",
        "bad archive: expected tag 'entry' or ')', got 'ent'",
        f"NAR for '{PATH}' fetched from '{URL}' is incomplete",
        "file 'nar/18si.nar.zst' does not exist in binary cache",
    ],
)
def test_every_kind_of_damage_is_recognised(text: str) -> None:
    """Nix has many words for an archive that is not what it should be, some without a path."""
    (told,) = substituters.explain_failures(log((0, f"{RED}error:{OFF} {text}")))

    assert told.startswith(f"the cache at {URL} is damaged; refused what it sent: {text}")


def test_user_without_the_right_is_told() -> None:
    """A daemon that ignores the user's caches would otherwise do so silently."""
    (told,) = substituters.explain_failures(log((1, RESTRICTED)))

    assert "invoke cache.use … --print" in told
