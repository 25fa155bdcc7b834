from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

import certificates
from certificates import Front

FILES = Path(__file__).parents[2] / "fixtures" / "certificates"
DAY = 86400.0
CLIENT = """#!/bin/sh
cd ../../data/acme/certificates
echo "$(date) ordering" >> ../ordered
{ending}
"""


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Front:
    """Return a front whose nginx answers at once, and whose client has nothing to give."""
    for name in ("sites", "serve/sites", "serve/certificates", "certificates", "tasks/acme", "data/acme/certificates"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(certificates, "_APPLY_LIMIT", 0.0)
    made = Front(tmp_path, None, tmp_path / "client")
    client(made, 'echo "no such host" >&2; exit 1')
    return made


def client(front: Front, ending: str) -> None:
    """Have the ACME client end like that."""
    front.starter.write_text(CLIENT.format(ending=ending))
    front.starter.chmod(0o755)


def register(front: Front, key: str = "site-1", order: str = "one", **more: object) -> None:
    """Write down a site as a deployment does."""
    acme = {
        "acme": {"order": order, "program": {"argv": []}, "chain": "certificates/a.crt", "key": "certificates/a.key"}
    }
    site = {"waiting": "waiting\n", "ready": "ready\n", "digest": "d", "hosts": ["a"], "address": "127.0.0.1"}
    text = json.dumps({**site, "http_port": 1, **(more or acme)})
    (front.folder / f"sites/{key}.json").write_text(text)


def count(front: Front) -> int:
    """Return how often the client has run."""
    file = front.folder / "data/acme/ordered"
    return len(file.read_text().splitlines()) if file.exists() else 0


def state(front: Front) -> dict[str, Any]:
    """Return what is written down of the site."""
    found: dict[str, Any] = json.loads((front.folder / "certificates/site-1.json").read_text())
    return found


def issue(front: Front) -> None:
    """Have the client issue a certificate for a hundred years."""
    client(front, f"cp {FILES}/good.pem a.crt; cp {FILES}/good.key a.key")


def test_certificate_is_issued_and_installed(front: Front) -> None:
    """Together with its key, for nginx alone; the site is served from then on, and nothing is ordered again."""
    register(front)
    issue(front)
    wait = front.bring(is_asked=True, now=time.time())
    front.bring(is_asked=True, now=time.time())

    made = front.folder / "serve/certificates/site-1.pem"
    assert made.read_text() == f"{(FILES / 'good.pem').read_text()}\n{(FILES / 'good.key').read_text()}"
    assert made.stat().st_mode & 0o777 == 0o640
    assert (front.folder / "serve/sites/site-1.conf").read_text() == "ready\n"
    assert wait == certificates.CHECK
    assert count(front) == 1
    assert state(front)["problem"] == ""


def test_certificate_is_renewed_when_a_third_of_its_time_is_left(front: Front) -> None:
    """Not before."""
    register(front)
    issue(front)
    front.bring(is_asked=True, now=time.time())
    since, until = certificates.read_validity((FILES / "good.pem").read_text())

    front.bring(is_asked=False, now=since + (until - since) * 0.66)
    before = count(front)
    front.bring(is_asked=False, now=since + (until - since) * 0.67)

    assert (before, count(front)) == (1, 2)


def test_other_hosts_need_another_certificate(front: Front) -> None:
    """The one before is served meanwhile."""
    register(front)
    issue(front)
    front.bring(is_asked=True, now=time.time())
    register(front, order="two")
    client(front, "exit 1")
    front.bring(is_asked=True, now=time.time())

    assert count(front) == 2
    assert (front.folder / "serve/sites/site-1.conf").read_text() == "ready\n"


def test_refused_order_is_repeated_later_and_later(front: Front) -> None:
    """The reason is kept; nobody is asked more often than an authority allows, whoever deploys."""
    register(front)
    now = time.time()
    waits = [front.bring(is_asked=False, now=now)]
    tried = [count(front)]
    front.bring(is_asked=False, now=now + 60)
    tried.append(count(front))
    for _ in range(6):
        front.bring(is_asked=True, now=now + 60)
    tried.append(count(front))

    assert tried == [1, 1, 4]
    assert waits[0] == pytest.approx(900, abs=5)
    assert state(front)["problem"] == "no such host"
    assert (front.folder / "serve/sites/site-1.conf").read_text() == "waiting\n"


def test_pause_grows_to_a_day_and_stays_one(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the authority goes on refusing."""
    register(front)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now)
    waits = []
    for _ in range(12):
        front.bring(is_asked=False, now=now)
        waits.append(state(front)["next"] - now)
        now += waits[-1]

    assert waits[:4] == [900, 1800, 3600, 7200]
    assert waits[7:] == [DAY] * 5


def test_failure_of_a_clock_that_was_wrong_holds_nothing_up(front: Front) -> None:
    """Such as that of a machine that begins in another year."""
    register(front)
    now = time.time()
    failed = {"order": "one", "failures": [now + 1000 * DAY], "problem": "not valid yet", "next": now + 1001 * DAY}
    (front.folder / "certificates/site-1.json").write_text(json.dumps(failed))
    front.bring(is_asked=False, now=now)

    assert count(front) == 1


def test_other_order_that_has_to_wait_says_why(front: Front) -> None:
    """A deployment would wait in vain for the authority's word on it otherwise."""
    register(front)
    for _ in range(4):
        front.bring(is_asked=True, now=time.time())
    register(front, order="two")
    front.bring(is_asked=True, now=time.time())

    assert count(front) == 4
    assert state(front)["problem"] == "4 orders have failed within an hour"
    assert state(front)["next"] > time.time()


def test_failures_of_a_service_that_comes_again_count(front: Front) -> None:
    """For an hour, as for the authority; of one that has no failures nothing is kept."""
    register(front)
    for _ in range(4):
        front.bring(is_asked=True, now=time.time())
    (front.folder / "sites/site-1.json").unlink()
    front.bring(is_asked=True, now=time.time())
    register(front)
    front.bring(is_asked=True, now=time.time())
    tried = count(front)
    (front.folder / "sites/site-1.json").unlink()
    front.bring(is_asked=True, now=time.time() + 3700)

    assert tried == 4
    assert list(front.folder.glob("certificates/*.json")) == []


def test_client_that_cannot_be_run_is_told(front: Front) -> None:
    """And holds up no other service."""
    register(front)
    register(front, key="site-2")
    front.starter.unlink()
    front.bring(is_asked=True, now=time.time())

    assert "the ACME client cannot be run: " in state(front)["problem"]
    assert (front.folder / "certificates/site-2.json").exists()


def test_client_that_leads_elsewhere_is_not_followed(front: Front) -> None:
    """Its user may have been taken over; files of the deploying user are none of its business."""
    secret = front.folder / "secret"
    secret.write_text((FILES / "good.key").read_text())
    register(front)
    client(front, f"cp {FILES}/good.pem a.crt; ln -s {secret} a.key")
    front.bring(is_asked=True, now=time.time())

    assert "cannot be used" in state(front)["problem"]
    assert not (front.folder / "serve/certificates/site-1.pem").exists()


def test_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nor is a pipe waited for."""
    (tmp_path / "own").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_text("x")
    (tmp_path / "own" / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "own" / "pipe")

    with pytest.raises(OSError, match="Not a directory"):
        certificates.read_below(tmp_path / "own", "linked/a")
    with pytest.raises(ValueError, match="no regular file"):
        certificates.read_below(tmp_path / "own", "pipe")


def test_files_that_somebody_renews_are_read_again(front: Front) -> None:
    """Once certificate and key fit; until then the ones before stay."""
    files = {name: front.folder / name for name in ("certificate", "key")}
    shutil.copyfile(FILES / "good.pem", files["certificate"])
    shutil.copyfile(FILES / "good.key", files["key"])
    register(front, certificate={name: str(path) for name, path in files.items()})
    front.bring(is_asked=False, now=time.time())
    before = (front.folder / "serve/certificates/site-1.pem").read_text()
    shutil.copyfile(FILES / "other.key", files["key"])
    front.bring(is_asked=False, now=time.time())

    wrong = state(front)["problem"]
    files["key"].unlink()
    os.mkfifo(files["key"])
    front.bring(is_asked=False, now=time.time())

    assert "the new certificate cannot be used" in wrong
    assert "no regular file" in state(front)["problem"]
    assert (front.folder / "serve/certificates/site-1.pem").read_text() == before


def test_site_that_is_gone_leaves_no_key(front: Front) -> None:
    """Nor a server of nginx."""
    register(front)
    issue(front)
    front.bring(is_asked=True, now=time.time())
    (front.folder / "sites/site-1.json").unlink()
    front.bring(is_asked=True, now=time.time())

    assert not list(front.folder.glob("serve/*/site-1.*"))


def test_key_that_was_not_yet_installed_is_removed(front: Front) -> None:
    """This process was killed in between; what the ACME client has made is none of its business."""
    left = front.folder / "serve/certificates/.site-1.pem.new"
    left.write_text("key")
    (front.folder / "serve/challenges/.own.new").mkdir(parents=True)
    front.bring(is_asked=True, now=time.time())

    assert not left.exists()


def test_site_that_cannot_be_read_is_not_gone(front: Front) -> None:
    """It is served as before."""
    register(front)
    issue(front)
    front.bring(is_asked=True, now=time.time())
    (front.folder / "sites/site-1.json").write_text("{")
    front.bring(is_asked=True, now=time.time())

    assert len(list(front.folder.glob("serve/*/site-1.*"))) == 2


@pytest.mark.parametrize(("age", "said"), [(60, b"h"), (-60, b"")])
def test_what_nginx_has_missed_is_read_again(front: Front, age: int, said: bytes) -> None:
    """The keeper of before was killed between a new certificate and the signal, but not before nginx began."""
    supervise = front.folder / "services/nginx/supervise"
    supervise.mkdir(parents=True)
    os.mkfifo(supervise / "control")
    (supervise / "pid").touch()
    began = (front.folder / "serve/certificates").stat().st_mtime - age
    os.utime(supervise / "pid", (began, began))
    pipe = os.open(supervise / "control", os.O_RDONLY | os.O_NONBLOCK)
    front.catch_up()
    found = os.read(pipe, 10)
    front.catch_up()
    again = os.read(pipe, 10)
    os.close(pipe)

    assert (found, again) == (said, b"")


def test_validity_is_that_of_openssl() -> None:
    """`openssl x509 -noout -dates` says the same; from 2050 on a year has four digits."""
    assert certificates.read_validity((FILES / "good.pem").read_text()) == (1796045146.0, 4949645146.0)
    with pytest.raises((ValueError, IndexError)):
        certificates.read_validity("nothing")
