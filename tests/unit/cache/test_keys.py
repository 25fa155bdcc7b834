from __future__ import annotations

import logging
import stat
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba.cache import keys
from estiba.cache.keys import PublicKey
from estiba.errors import CacheError

if TYPE_CHECKING:
    from pathlib import Path

# From `nix key generate-secret --key-name team-1` and `nix key convert-secret-to-public` of Nix 2.26.
SECRET = "team-1:WYqO/n8NOsN7qWdktexJLSOk8OE8DZkOEIXMuPTFFBT22Z9SLK0AM+6uEOmbvDA3uG7Hyk0kJYuVKBgGj0HWCg=="
PUBLIC = "team-1:9tmfUiytADPurhDpm7wwN7hux8pNJCWLlSgYBo9B1go="


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a secret key's file."""
    path = tmp_path / "team.key"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def test_generate_writes_both_halves(tmp_path: Path) -> None:
    """The secret half can be read by its owner alone, the public one lies beside it."""
    file = tmp_path / "new" / "team.key"

    made = keys.generate("team-1", file, runner=RecordingRunner(SECRET))

    assert made == keys.SigningKey(file=file, public=PublicKey(PUBLIC))
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (SECRET, 0o600)
    assert file.with_name("team.key.pub").read_text() == f"{PUBLIC}\n"


def test_secret_is_in_no_command_and_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Commands are logged, so no command gets the secret."""
    runner = RecordingRunner(SECRET)
    with caplog.at_level(logging.DEBUG):
        keys.generate("team-1", tmp_path / "team.key", runner=runner)

    assert runner.calls == [["nix", "key", "generate-secret", "--key-name", "team-1"]]
    assert SECRET.partition(":")[2] not in caplog.text


@pytest.mark.parametrize("taken", ["team.key", "team.key.pub"])
def test_generate_overwrites_nothing(tmp_path: Path, taken: str) -> None:
    """A key that exists may have signed something."""
    (tmp_path / taken).write_text("kept")

    with pytest.raises(CacheError, match=rf"{taken} exists; what it signed would lose its key"):
        keys.generate("team-1", tmp_path / "team.key", runner=RecordingRunner())

    assert (tmp_path / taken).read_text() == "kept"


@pytest.mark.parametrize("name", ["", "two words", "colon:1", "-dash", "a\nb"])
def test_unusable_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name with a colon or a blank would break nix.conf."""
    with pytest.raises(CacheError, match="not a key's name"):
        keys.generate(name, tmp_path / "team.key", runner=RecordingRunner())


def test_key_in_a_flake_is_refused(tmp_path: Path) -> None:
    """Nix copies a flake's folder into the store, which all users can read."""
    (tmp_path / "flake.nix").write_text("{ }")

    with pytest.raises(CacheError, match="would be copied into the Nix store") as caught:
        keys.generate("team-1", tmp_path / "secrets" / "team.key", runner=RecordingRunner())

    assert caught.value.hint == "name a file elsewhere: --file FILE"


def test_load_finds_the_public_half(file: Path) -> None:
    """The public half follows from the secret one, as Nix says it does."""
    assert str(keys.load(file).public) == PUBLIC


def test_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a key nothing can be pushed."""
    with pytest.raises(CacheError, match=f"no signing key at {tmp_path}/none") as caught:
        keys.load(tmp_path / "none")

    assert caught.value.hint == "make one: invoke cache.keygen"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_key_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    """The error has the command that mends it."""
    file.chmod(mode)

    with pytest.raises(CacheError, match="other users can read") as caught:
        keys.load(file)

    assert caught.value.hint == f"chmod 600 {file}"


@pytest.mark.parametrize("text", [PUBLIC, "", "team-1:", "team-1", "team-1:!!!!", SECRET[:-8]])
def test_other_contents_are_refused(file: Path, text: str) -> None:
    """The public half and damaged keys are told apart from a secret key, and not shown."""
    file.write_text(text)

    with pytest.raises(CacheError, match="holds no secret key"):
        keys.load(file)


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["binary", "folder"])
def test_unreadable_keys_are_refused(tmp_path: Path, content: bytes | None) -> None:
    """A file of something else, or a folder, is an error with its name."""
    file = tmp_path / "team.key"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    with pytest.raises(CacheError, match=f"cannot read a signing key from {file}"):
        keys.load(file)


@pytest.mark.parametrize("text", ["", "team-1", "team-1:short", SECRET])
def test_public_key_is_checked(text: str) -> None:
    """A public key that is none does not reach nix.conf."""
    with pytest.raises(CacheError, match="not a public key"):
        PublicKey(text)
