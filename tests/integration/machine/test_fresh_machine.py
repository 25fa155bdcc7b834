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

from estiba.build import flake, oci_image
from estiba.nix import commands as nix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    """Make a folder with the service and a store, which has the shell's tools and what the service is built from."""
    with tempfile.TemporaryDirectory(prefix="fresh-store-", dir="/var/tmp") as name:
        shells = f"{harbour_service.FLAKE}#devShells.x86_64-linux.default"
        service = flake.installable_arguments(harbour, "image", shop_service.settings())
        wanted = sorted({*nix.fixed_outputs(shells), *nix.fixed_outputs(*service)})
        nix.copy([sys.prefix, *sorted(set(wanted) - set(nix.find_invalid(wanted)))], Path(name))
        shutil.copytree(harbour, Path(name, "harbour"), ignore=shutil.ignore_patterns(".estiba"))
        yield Path(name)


def run_in_container(
    engine: docker.DockerClient,
    options: list[str],
    command: str,
    *binds: str,
    user: str = "1000:1000",
    env: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, str]:
    """Run a shell command in the checkout as a user of a container; return its exit code and all that it said."""
    # What `docker run` makes of systempaths=unconfined; the engine does not know it as an option.
    shown: dict[str, list[str]] = {"MaskedPaths": [], "ReadonlyPaths": []} if ALLOWED[1] in options else {}
    others = [option for option in options if option != ALLOWED[1]]
    config = engine.api.create_host_config(network_mode="host", security_opt=others, binds=[*binds]) | shown
    created = engine.api.create_container(
        "fresh:latest",
        ["sh", "-c", command],
        user=user,
        working_dir="/home/ana/project",
        environment={"HOME": "/home/ana", "LANG": "C.UTF-8", **env},
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


def test_demo_as_an_ordinary_user_without_nix(machine: FreshMachine) -> None:
    """The whole way ends green, prints no error and leaves nothing for temporary files behind."""
    done = machine.run("./nixw", "develop", "--command", "invoke", "demo")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^rollback +\S+ s +served .* none failed$", done.stdout, re.MULTILINE), done.stdout
    assert not re.search(r"^(error|warning|fatal|E:|W:)", done.stderr, re.MULTILINE), done.stderr
    assert machine.leftovers() == []
    assert not (machine.root / "nix").exists()


def test_container_with_two_options_builds_in_the_sandbox(engine: docker.DockerClient, machine: FreshMachine) -> None:
    """With both, an ordinary user builds there, without privileges and with the sandbox."""
    # What the demo has brought need not be brought again.
    home = f"{machine.root}{machine.home}:{machine.home}"
    expression = (
        'derivation { name = "sandboxed"; system = builtins.currentSystem; builder = "/bin/sh"; '
        'args = [ "-c" "test ! -e /etc/debian_version && echo sandboxed > $out" ]; }'
    )
    command = f"./nixw build --impure --no-link --print-build-logs --expr '{expression}'"
    code, said = run_in_container(engine, ALLOWED, command, home)

    assert code == 0, said


def test_container_that_nobody_may_configure_builds_the_same(
    engine: docker.DockerClient, machine: FreshMachine, harbour: Path, inputs: Path
) -> None:
    """With default options, root builds without the sandbox what this machine builds in it, and that is told."""
    assert nix.is_hermetic()
    expected = oci_image.build(harbour, shop_service.settings()).digest

    # The demo has brought a Nix; its store has the same service, and is not the one to build in.
    binds = [f"{machine.root}{machine.home}:{machine.home}", f"{inputs}/nix:/nix", f"{inputs}/harbour:/srv/harbour"]
    env = {"HOME": "/root", "ESTIBA_CACHE_DIR": f"{machine.home}/.cache/estiba", "ESTIBA_SANDBOX": "container"}
    command = (
        "cp -r . ~/project && cd ~/project && ./nixw develop --command sh -c 'cd /srv/harbour && invoke build --json'"
    )
    code, said = run_in_container(engine, [], command, *binds, user="0:0", env=env)

    assert code == 0, said
    assert "nixw: ESTIBA_SANDBOX=container: builds run without the sandbox of Nix and are not hermetic\n" in said
    (built,) = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    assert (built["digest"], built["hermetic"]) == (expected, False)
