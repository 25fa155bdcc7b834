from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import site
from tests.unit.test_release_manifest import MANIFEST

from estiba import config
from estiba.deploy import targets
from estiba.deploy.host.target import HostTarget
from estiba.deploy.ssh.target import SshTarget
from estiba.errors import ChoiceError, ConfigError, TargetError
from estiba.release_manifest import Contents

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.target import Target


def load(folder: Path, name: str, settings: str = "") -> Target:
    """Return a target of a service with settings for its targets."""
    text = f"[project]\nname = 'shop'\ndependencies = ['django']\n{settings}"
    return targets.load(
        site(folder / "shop", **{"pyproject.toml": text}),
        name,
        dataclasses.replace(config.load(), state_dir=folder / "state"),
    )


def test_local_needs_no_settings(tmp_path: Path) -> None:
    """It is a host, with a folder of its own below the user's state."""
    found = load(tmp_path, "local")

    assert isinstance(found, HostTarget)
    assert found.settings.folder == tmp_path / "state" / "shop" / "local"
    assert found.contents is Contents.HOST


def test_kind_may_be_said(tmp_path: Path) -> None:
    """It is no setting of the kind itself."""
    found = load(tmp_path, "staging", "[tool.estiba.targets.staging]\nkind = 'host'\nport = 8080\n")

    assert isinstance(found, HostTarget)
    assert (found.settings.name, found.settings.port) == ("staging", 8080)


@pytest.mark.parametrize("kind", ["'swarm'", "3"])
def test_unknown_kind_names_those_that_there_are(tmp_path: Path, kind: str) -> None:
    """A kind that is none is an error of the settings."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "staging", f"[tool.estiba.targets.staging]\nkind = {kind}\n")

    assert str(caught.value) == (
        f"pyproject.toml [tool.estiba.targets.staging]: 'kind' is {kind}, and must be one of host, kubernetes"
    )


def test_unknown_target_names_the_known_ones(tmp_path: Path) -> None:
    """A typing error in `--target` is answered with what there is."""
    with pytest.raises(ChoiceError, match="no target 'stagign'; there is local, staging; did you mean 'staging'"):
        load(tmp_path, "stagign", "[tool.estiba.targets.staging]\n")


def test_release_without_a_part_for_hosts_is_refused(tmp_path: Path) -> None:
    """A release that was built for a cluster alone cannot run here, and nothing is changed by trying."""
    target = load(tmp_path, "local")
    with pytest.raises(TargetError, match=r"the release 1\.4\.0 of shop was built without a host closure"):
        target.deploy(dataclasses.replace(MANIFEST, host=None), on_status=lambda _: None)


SERVER = "[tool.estiba.targets.production]\nssh = 'ana@shop.example'\nport = 8000\n"


def test_host_on_another_machine(tmp_path: Path) -> None:
    """Its settings are those of a host, which the server gets, and what is asked of the server, which it does not."""
    found = load(tmp_path, "production", f"{SERVER}server = {{cores = 4}}\nenv-file = '../secrets'\n")

    assert isinstance(found, SshTarget)
    assert found.contents is Contents.HOST
    assert found.asked.cores == 4
    assert found.table == {"env-file": "../secrets", "port": 8000}
    assert found._request("status")["variables"] is None
    with pytest.raises(ConfigError, match="secrets: cannot be read"):
        found._request("deploy")
    (tmp_path / "secrets").write_text("TOKEN=secret\n")
    assert found._request("deploy", contract=True)["arguments"] == {"contract": True}
    assert found._request("deploy")["variables"] == "TOKEN=secret\n"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (SERVER.replace("ana@shop.example", "-oProxyCommand=x"), "not \\[USER@\\]HOST"),
        (SERVER.replace("'ana@shop.example'", "7"), "'ssh' must be a string"),
        (f"{SERVER}server = {{cors = 4}}\n", "did you mean 'cores'"),
        (f"{SERVER}prot = 4\n", "did you mean 'port'"),
        (f"{SERVER}kind = 'kubernetes'\n", "unknown key 'ssh'"),
    ],
    ids=["option", "number", "server", "key", "kubernetes"],
)
def test_wrong_settings_of_a_server_are_refused(tmp_path: Path, settings: str, problem: str) -> None:
    """Before anything is connected to."""
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, "production", settings)
