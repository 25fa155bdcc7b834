"""Credentials come from where Docker keeps them, and never show up in an error."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from estiba import config
from estiba.errors import ConfigError
from estiba.process import Completed, run
from estiba.publish.registry.credentials import Credentials, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from estiba.process import Runner

SECRET = "s3cret"
TOKEN = "t0ken"

HELPER = """#!/bin/sh
read -r host
[ "$1" = get ] || exit 9
case $host in
  registry.example) echo '{"ServerURL": "registry.example", "Username": "ana", "Secret": "s3cret"}' ;;
  token.example) echo '{"ServerURL": "token.example", "Username": "<token>", "Secret": "t0ken"}' ;;
  odd.example) echo '{"Secret": "s3cret"}' ;;
  locked.example) echo 'keychain is locked'; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path) -> Runner:
    """Return a runner whose PATH has a helper program."""
    program = tmp_path / "bin/docker-credential-fake"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)

    def with_path(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - those of run
        own = tmp_path / "bin" / argv[0]
        return run([str(own), *argv[1:]], env=config.load().environment(), **options)

    return with_path


def write(tmp_path: Path, data: Mapping[str, Any]) -> Path:
    """Write Docker's configuration."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(data))
    return path


def test_no_file(tmp_path: Path) -> None:
    """Without a configuration one acts as nobody."""
    assert load(tmp_path / "config.json", "registry.example") is None


@pytest.mark.parametrize("key", ["registry.example", "https://registry.example/v1/", "https://registry.example"])
def test_auths(tmp_path: Path, key: str) -> None:
    """`auths` knows a host by its name or its old-style address; the password may hold a colon."""
    auth = base64.b64encode(b"ana:s3:cret").decode()
    path = write(tmp_path, {"auths": {"other.example": {}, key: {"auth": auth}}})
    found = load(path, "registry.example")
    assert found is not None
    assert (found.username, found.password) == ("ana", "s3:cret")


def test_identity_token(tmp_path: Path) -> None:
    """An identity token wins over the user beside it."""
    path = write(tmp_path, {"auths": {"registry.example": {"auth": "YTo=", "identitytoken": "t0ken"}}})
    assert load(path, "registry.example") == Credentials(identity_token=TOKEN)


def test_entry_of_a_store_is_empty(tmp_path: Path) -> None:
    """Docker leaves an empty entry in `auths` for what a store keeps."""
    assert load(write(tmp_path, {"auths": {"registry.example": {}}}), "registry.example") is None


@pytest.mark.parametrize("section", [{"credsStore": "fake"}, {"credHelpers": {"registry.example": "fake"}}])
def test_helper(tmp_path: Path, helper: Runner, section: dict[str, Any]) -> None:
    """A helper program is asked by its protocol."""
    found = load(write(tmp_path, section), "registry.example", runner=helper)
    assert found == Credentials(username="ana", password=SECRET)
    assert "s3cret" not in repr(found)


def test_helper_with_token(tmp_path: Path, helper: Runner) -> None:
    """A helper marks an identity token by its user name."""
    found = load(write(tmp_path, {"credsStore": "fake"}), "token.example", runner=helper)
    assert found == Credentials(identity_token=TOKEN)


def test_helper_without_entry(tmp_path: Path, helper: Runner) -> None:
    """What a helper does not know is looked up in `auths`."""
    auths = {"new.example": {"auth": base64.b64encode(b"ana:s3cret").decode()}}
    path = write(tmp_path, {"credsStore": "fake", "auths": auths})
    assert load(path, "new.example", runner=helper) == Credentials(username="ana", password=SECRET)
    assert load(path, "unknown.example", runner=helper) is None


def test_failing_helper(tmp_path: Path, helper: Runner) -> None:
    """A helper's reason reaches the user."""
    path = write(tmp_path, {"credsStore": "fake"})
    with pytest.raises(ConfigError) as caught:
        load(path, "locked.example", runner=helper)
    assert caught.value.problems == ("docker-credential-fake exited with 1: keychain is locked",)


def test_odd_answer_is_not_quoted(tmp_path: Path, helper: Runner) -> None:
    """An answer that cannot be read may hold a secret, so it is not shown."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, {"credsStore": "fake"}), "odd.example", runner=helper)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_helper(tmp_path: Path) -> None:
    """The error names the program that is not there."""
    path = write(tmp_path, {"credsStore": "that-is-not-there"})
    with pytest.raises(ConfigError, match="names docker-credential-that-is-not-there, which is not on PATH"):
        load(path, "registry.example")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "malformed"),
        ("[]", "malformed"),
        ('{"auths": {"registry.example": {"auth": "no base64!"}}}', "the entry of registry.example is not a user"),
    ],
)
def test_malformed_file(tmp_path: Path, content: str, problem: str) -> None:
    """The error names the file."""
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        load(path, "registry.example")
    assert caught.value.where == str(path)
