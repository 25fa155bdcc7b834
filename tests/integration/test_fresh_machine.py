"""The README's first command on a machine with nothing prepared, as newcomers have it, and in containers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import docker
import pytest
from tests.services import fresh
from tests.services import harbour as harbour_service
from tests.services import shop as shop_service

from estiba import build, nix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker.models.containers import Container
    from tests.services.fresh import FreshMachine

ALLOWED: Final = ["seccomp=unconfined", "systempaths=unconfined"]


@pytest.fixture(scope="module")
def machine() -> Iterator[FreshMachine]:
    """Make a machine of the release that the default Python comes from."""
    # Not TMPDIR: that may be a file system in memory.
    with tempfile.TemporaryDirectory(prefix="fresh-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield fresh.make(Path(name), "trixie", ordinary=True)


@pytest.fixture(scope="module")
def engine(docker_engine: str, machine: FreshMachine) -> Iterator[docker.DockerClient]:
    """Give a Docker engine an image of the machine as it is before anything ran there."""
    with closing(docker.DockerClient(base_url=docker_engine)) as client:
        packed = ["tar", "--create", "--directory", str(machine.root), "."]
        with subprocess.Popen(packed, stdout=subprocess.PIPE) as archive:
            client.api.import_image(archive.stdout, repository="fresh", tag="latest")
        yield client
        client.images.remove("fresh:latest", force=True)


@pytest.fixture
def inputs(harbour: Path) -> Iterator[Path]:
    """Make a store that has the tools of the shell, and of the service only what it is built from."""
    with tempfile.TemporaryDirectory(prefix="fresh-store-", dir="/var/tmp") as name:
        shells = f"{harbour_service.FLAKE}#devShells.x86_64-linux.default"
        wanted = {
            *nix.fixed_outputs(shells),
            *nix.fixed_outputs(*build.source_words(harbour, "image", shop_service.settings())),
        }
        nix.copy([sys.prefix, *sorted(wanted - set(nix.find_invalid(sorted(wanted))))], Path(name))
        yield Path(name)


def run_in_container(
    engine: docker.DockerClient,
    options: list[str],
    command: str,
    *,
    home: str = "/home/ana",
    env: Mapping[str, str] = MappingProxyType({}),
    binds: Sequence[str] = (),
) -> tuple[int, str]:
    """Run a shell command in the checkout as the user in a container; return its exit code and all that it said.

    Args:
        engine: The Docker engine.
        options: Those of `docker run --security-opt`.
        command: The command.
        home: The home folder, of the ordinary user or of root.
        env: More variables.
        binds: What else is to be seen in the container, as for `docker run --volume`.
    """
    # What `docker run` makes of systempaths=unconfined; the engine does not know it as an option.
    shown: dict[str, list[str]] = {"MaskedPaths": [], "ReadonlyPaths": []} if ALLOWED[1] in options else {}
    others = [option for option in options if option != ALLOWED[1]]
    config = engine.api.create_host_config(network_mode="host", security_opt=others, binds=list(binds)) | shown
    created = engine.api.create_container(
        "fresh:latest",
        ["sh", "-c", command],
        user="0:0" if home == "/root" else "1000:1000",
        working_dir="/home/ana/project",
        environment={"HOME": home, "LANG": "C.UTF-8", **env},
        host_config=config,
    )
    container: Container = engine.containers.get(created["Id"])
    try:
        container.start()
        code = container.wait()["StatusCode"]
        return code, container.logs().decode()
    finally:
        container.remove(force=True)


@pytest.mark.parametrize("options", [[], *([option] for option in ALLOWED)], ids=["default", *ALLOWED])
def test_container_is_told_what_it_lacks(engine: docker.DockerClient, options: list[str]) -> None:
    """Where one of the two options is missing, both are named before anything is fetched."""
    code, said = run_in_container(engine, options, "./nixw --version")

    assert code == 1
    assert said == (
        "nixw: this container lets nobody make the namespaces of Nix's sandbox: start it with\n"
        "  docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …\n"
        "or, in Kubernetes, with 'procMount: Unmasked' and 'seccompProfile: {type: Unconfined}' in its "
        "securityContext;\n"
        "where nobody may configure it, set ESTIBA_SANDBOX=container: the same image, built without the sandbox and so "
        "not hermetic\n"
    )


def test_container_with_two_options_builds_in_the_sandbox(engine: docker.DockerClient) -> None:
    """With both, an ordinary user builds there, without privileges and with the sandbox."""
    expression = (
        'derivation { name = "sandboxed"; system = builtins.currentSystem; builder = "/bin/sh"; '
        'args = [ "-c" "test ! -e /etc/debian_version && echo sandboxed > $out" ]; }'
    )
    command = f"./nixw build --impure --no-link --print-build-logs --expr '{expression}'"
    code, said = run_in_container(engine, ALLOWED, command)

    assert code == 0, said


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("docker", "ESTIBA_SANDBOX is 'docker', which is none of its values; set it to 'container', or not at all"),
        (
            "container",
            "ESTIBA_SANDBOX=container needs the container's root user, who may call chroot(2): docker run --user 0 …",
        ),
    ],
    ids=["misspelt", "ordinary user"],
)
def test_going_without_the_sandbox_is_refused(engine: docker.DockerClient, value: str, problem: str) -> None:
    """What cannot work is told before anything is fetched."""
    code, said = run_in_container(engine, [], "./nixw --version", env={"ESTIBA_SANDBOX": value})

    assert (code, said) == (1, f"nixw: {problem}\n")


def test_container_that_nobody_may_configure_builds_the_same(
    engine: docker.DockerClient, harbour: Path, inputs: Path, tmp_path: Path
) -> None:
    """With default options, root builds without the sandbox what this machine builds in it, and that is told."""
    service = tmp_path / "harbour"
    shutil.copytree(harbour, service, ignore=shutil.ignore_patterns(".estiba"))
    assert nix.is_hermetic()
    expected = build.build(harbour, shop_service.settings()).digest

    command = (
        "cp -r . ~/project && cd ~/project && ./nixw develop --command sh -c 'cd /srv/harbour && invoke build --json'"
    )
    binds = [f"{inputs}/nix:/nix", f"{service}:/srv/harbour"]
    code, said = run_in_container(engine, [], command, home="/root", env={"ESTIBA_SANDBOX": "container"}, binds=binds)

    assert code == 0, said
    assert "nixw: ESTIBA_SANDBOX=container: builds run without the sandbox of Nix and are not hermetic\n" in said
    (built,) = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    assert (built["digest"], built["hermetic"]) == (expected, False)


def test_demo_as_an_ordinary_user_without_nix(machine: FreshMachine) -> None:
    """The whole way ends green, prints no error and leaves nothing for temporary files behind."""
    done = machine.run("./nixw", "develop", "--command", "invoke", "demo")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^rollback +\S+ s +served .* none failed$", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"^(error|warning|fatal|E:|W:)", done.stderr, re.MULTILINE), done.stderr
    assert machine.leftovers() == []
    assert not (machine.root / "nix").exists()
