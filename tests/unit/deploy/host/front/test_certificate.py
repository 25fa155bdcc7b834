from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from estiba.deploy.host.front import certificate
from estiba.errors import ConfigError

FILES = Path(__file__).parents[4] / "fixtures" / "certificates"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the recorded files, with keys that their owner alone may read."""
    for path in FILES.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    for path in tmp_path.glob("*.key"):
        path.chmod(0o600)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_certificate_is_for_all_hosts(folder: Path) -> None:
    """Wildcards are those of OpenSSL."""
    certificate.check(folder / "good.pem", folder / "good.key", ["www.example.org", "v1.api.example.org"])


@pytest.mark.parametrize(
    ("names", "host", "problem"),
    [
        ("good.pem other.key", "www.example.org", "other.key is not the key of"),
        ("good.pem encrypted.key", "www.example.org", "no certificate and unencrypted key in PEM"),
        ("README.md good.key", "www.example.org", "no certificate and unencrypted key in PEM"),
        ("good.pem good.key", "shop.example.org", "good.pem is not for this host: shop.example.org"),
        ("expired.pem good.key", "www.example.org", "expired.pem has expired: www.example.org"),
        ("unusual.pem unusual.key", "www.example.org", "unusual.pem is not accepted: "),
        ("pipe good.key", "www.example.org", "pipe is no regular file"),
        ("none.pem good.key", "www.example.org", "none.pem cannot be read: No such file or directory"),
    ],
)
def test_what_visitors_would_refuse_is_refused(folder: Path, names: str, host: str, problem: str) -> None:
    """One error says which file, and why."""
    pem, key = names.split()
    with pytest.raises(ConfigError) as caught:
        certificate.check(folder / pem, folder / key, ["www.example.org", host])

    assert problem in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "problem"),
    [("none.pem", "cannot be read"), ("good.key", "has no certificate in PEM"), ("pipe", "is no regular file")],
)
def test_authority_is_known_by_a_certificate(folder: Path, name: str, problem: str) -> None:
    """Before anybody asks it for one."""
    certificate.check_authority(folder / "good.pem")
    with pytest.raises(ConfigError) as caught:
        certificate.check_authority(folder / name)

    assert f"{folder / name} {problem}" in str(caught.value)


def test_key_is_for_its_owner(folder: Path) -> None:
    """The service's own user could read it otherwise."""
    (folder / "good.key").chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        certificate.check(folder / "good.pem", folder / "good.key", ["www.example.org"])

    assert "run: chmod o= " in str(caught.value)
