from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from estiba import config
from estiba.errors import ArtifactError, CommandError, ConfigError
from estiba.fetch import npm
from estiba.fetch.plan import artifact_path
from estiba.lock.context import LockContext
from estiba.nix.store_path import store_name
from estiba.process import Completed
from estiba.service.frontend import Tarball

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOLA = Tarball(name="@scope/hola", version="1.0.0", sha512="ab" * 64)
XLSX = Tarball(name="xlsx", version="0.20.3", sha512="cd" * 64, source="https://cdn.example/xlsx.tgz")
SECRET = "kq3v9XwLz0-not-to-be-seen"


class Machine:
    """Answers Nix, and stands in for npm: it writes some tarballs into the cache, or fails."""

    def __init__(self, cache: Path, *, brings: Sequence[Tarball] = (), fails: str = "") -> None:
        self.calls: list[list[str]] = []
        self.request: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        self._cache = cache
        self._brings = brings
        self._fails = fails

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **_: object) -> Completed:
        """Note the command and answer it."""
        self.calls.append(list(argv))
        stdout = ""
        if argv[:2] == ["nix", "build"]:
            stdout = json.dumps([{"outputs": {"out": "/nix/store/x-frontend-root"}}])
        elif argv[0] == "nix-store":
            tarballs = {store_name(tarball.file): tarball for tarball in (HOLA, XLSX)}
            stdout = "".join(f"{artifact_path(tarballs[Path(file).name])}\n" for file in argv[3:])
        else:
            self.request = json.loads(stdin or "")
            self.files = {place: Path(path).read_text() for place, path in self.request["files"].items()}
            for tarball in self._brings:
                place(self._cache, tarball)
            if self._fails:
                raise CommandError(argv, 1, self._fails)
        return Completed(argv=tuple(argv), code=0, stdout=stdout, tail="")


def place(cache: Path, tarball: Tarball) -> None:
    """Write a file where npm keeps it."""
    path = cache / "npm/_cacache/content-v2/sha512" / tarball.sha512[:2] / tarball.sha512[2:4] / tarball.sha512[4:]
    path.parent.mkdir(parents=True)
    path.write_text(tarball.name)


def context_of(
    folder: Path,
    machine: Machine,
    *,
    flake: str = "path:/library",
    variables: Mapping[str, str] = MappingProxyType({}),
) -> LockContext:
    """Return a context with these variables alone."""
    settings = dataclasses.replace(config.load(), cache_dir=folder, flake=flake, variables=variables, sandbox="")
    return LockContext(config=settings, folder=folder, tell=lambda _: None, runner=machine)


def run(
    folder: Path,
    machine: Machine,
    tarballs: Sequence[Tarball] = (HOLA, XLSX),
    *,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Fetch for a front end in a folder."""
    npm.fetch(tarballs, folder / "web", folder / "estiba.lock", context_of(folder, machine, variables=variables))


def test_packages_are_asked_for_by_name(tmp_path: Path) -> None:
    """A package of a registry is where the machine's npm looks for it; what is in none has its address."""
    machine = Machine(tmp_path, brings=(HOLA, XLSX))
    run(tmp_path, machine)

    assert machine.request["specs"] == ["@scope/hola@1.0.0", "https://cdn.example/xlsx.tgz"]
    assert machine.request["tree"] == "/nix/store/x-frontend-root"
    assert machine.calls[1][-2:] == ["/library/nix/build/builders/run.py", "frontend/bring.py"]
    assert machine.calls[2][:3] == ["nix-store", "--add-fixed", "sha512"]
    assert [Path(file).name for file in machine.calls[2][3:]] == ["_scope_hola-1.0.0.tgz", "xlsx-0.20.3.tgz"]


def test_npm_is_not_run_for_what_its_cache_has(tmp_path: Path) -> None:
    """After an interruption, and where the store was collected."""
    place(tmp_path, HOLA)
    machine = Machine(tmp_path)
    run(tmp_path, machine, [HOLA])

    assert [call[0] for call in machine.calls] == ["nix-store"]


def test_configuration_of_the_machine_counts(tmp_path: Path) -> None:
    """Settings of user and project, with the variables and certificates that they name; credentials stay private."""
    home, project = tmp_path / "home", tmp_path / "web"
    for folder in (home, project):
        folder.mkdir()
    (home / ".npmrc").write_text(f"//npm.example/:_authToken={SECRET}\ncafile=~/ours.pem\n")
    (home / "ours.pem").write_text("CA")
    (project / ".npmrc").write_text("@ours:registry=https://npm.example\n//npm.example/:_password=${OUR_TOKEN}\n")
    machine = Machine(tmp_path, brings=(HOLA, XLSX))
    given = {"HTTPS_PROXY": "http://proxy.example", "npm_config_registry": "https://npm.example", "OUR_TOKEN": SECRET}
    foreign = {"LD_PRELOAD": "x.so", "NODE_OPTIONS": "-r x", "npm_config_cache": "/x"}
    run(tmp_path, machine, variables={"HOME": str(home), **given, **foreign})

    own = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt"}
    assert machine.request["env"] == {**own, **given, "HOME": str(home)}
    assert machine.files[str(home / ".npmrc")].startswith("//npm.example")
    assert machine.files[str(home / "ours.pem")] == "CA"
    assert "/etc/hosts" in machine.files
    assert SECRET not in json.dumps(machine.calls)


def test_copies_are_gone_afterwards(tmp_path: Path) -> None:
    """No credentials are left anywhere."""
    (tmp_path / ".npmrc").write_text(SECRET)
    machine = Machine(tmp_path, brings=(HOLA, XLSX))
    run(tmp_path, machine, variables={"HOME": str(tmp_path)})

    assert not any(Path(path).exists() for path in machine.request["files"].values())
    assert not Path(machine.request["project"]).exists()


def test_missing_packages_are_named(tmp_path: Path) -> None:
    """What has arrived is in the store, and what npm said comes without secrets."""
    machine = Machine(tmp_path, brings=(HOLA,), fails=f"npm ERR! 404 Not Found\nauthorization: Bearer {SECRET}")
    with pytest.raises(ArtifactError) as caught:
        run(tmp_path, machine)

    assert caught.value.message.startswith("npm packages are missing:\n  - xlsx 0.20.3\nnpm ERR! 404 Not Found")
    assert SECRET not in str(caught.value)
    assert machine.calls[-1][:2] == ["nix-store", "--add-fixed"]


@pytest.mark.parametrize(
    "said",
    [
        "npm ERR! code ETARGET\nnpm ERR! notarget No matching version found for @hola/mar@0.13.0-rc.1.\nnpm ERR! x",
        "npm ERR! 404\nnpm ERR! 404  '@hola/mar@0.13.0-rc.1' is not in this registry.",
    ],
    ids=["version", "package"],
)
def test_version_that_no_registry_has_is_the_cause(tmp_path: Path, said: str) -> None:
    """The rest was not asked for, so hundreds of others that were not fetched either are no news."""
    with pytest.raises(ArtifactError) as caught:
        run(tmp_path, Machine(tmp_path, brings=(HOLA,), fails=said))

    assert caught.value.message == "npm's registry has no @hola/mar 0.13.0-rc.1, which package-lock.json names"


def test_other_bytes_are_missing(tmp_path: Path) -> None:
    """A registry that has a package with another hash lacks the locked one."""
    with pytest.raises(ArtifactError, match=r"the registry has them with another hash than package-lock\.json"):
        run(tmp_path, Machine(tmp_path, brings=(HOLA,)))


def test_nothing_can_be_fetched_without_the_library(tmp_path: Path) -> None:
    """Outside of the development shell the error says where to go."""
    context = context_of(tmp_path, Machine(tmp_path), flake="")
    with pytest.raises(ConfigError) as caught:
        npm.fetch([HOLA], tmp_path, tmp_path / "estiba.lock", context)

    assert caught.value.hint == "enter the development shell first: ./nixw develop"
