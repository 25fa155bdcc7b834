from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from estiba.deploy.host import settings
from estiba.errors import ConfigError

SERVICE = Path("/srv/shop")
STATE = Path("/var/lib/shop")


def load(name: str = "local", **table: object) -> settings.Settings:
    """Read the settings of one target."""
    return settings.parse(name, table, folder=SERVICE, state=STATE)


def test_local_needs_no_settings() -> None:
    """Everything has a default, and the data is not in the service's folder."""
    found = settings.parse("local", {}, folder=SERVICE, state=STATE)

    assert found.folder == STATE / "local"
    assert (found.address, found.port, found.keep, found.memory) == ("127.0.0.1", 0, 5, 0)
    assert found.hosts == ("localhost", "127.0.0.1", "[::1]")


def test_paths_count_from_the_service() -> None:
    """A relative folder or file is one beside `pyproject.toml`."""
    found = load(folder="../data", **{"env-file": "secret.env"})

    assert (found.folder, found.env_file) == (Path("/srv/data"), Path("/srv/shop/secret.env"))


def test_paths_may_count_from_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell has them."""
    monkeypatch.setenv("HOME", "/home/ada")
    found = load(folder="~/shop", **{"env-file": "~/secret.env"})

    assert (found.folder, found.env_file) == (Path("/home/ada/shop"), Path("/home/ada/secret.env"))


@pytest.mark.parametrize(("text", "size"), [("2GB", 2 << 30), ("512 MB", 512 << 20)], ids=["gigabytes", "megabytes"])
def test_memory_has_a_unit(text: str, size: int) -> None:
    """Memory is written as PostgreSQL writes it."""
    assert load(memory=text).memory == size


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        pytest.param({"prot": 1}, "unknown key 'prot', did you mean 'port'?", id="unknown"),
        pytest.param({"port": "80"}, "'port' must be a whole number above 0, not '80'", id="type"),
        pytest.param({"port": True}, "'port' must be a whole number above 0, not True", id="truth"),
        pytest.param({"port": 0}, "'port' must be a whole number above 0, not 0", id="zero"),
        pytest.param({"port": 70000}, "'port' is 70000, above 65535", id="large"),
        pytest.param({"redis-port": 70000}, "'redis-port' is 70000, above 65535", id="redis"),
        pytest.param({"port": 80, "redis-port": 80}, "'port' and 'redis-port' are both 80", id="twice"),
        pytest.param(
            {"trusted-proxies": ["proxy"]},
            "'trusted-proxies' has 'proxy', not an IP address or a network such as '10.0.0.0/8'",
            id="proxies",
        ),
        pytest.param(
            {"upload-limit": "100m"},
            "'upload-limit' is '100m', not a number with MB or GB, such as '2GB'",
            id="upload",
        ),
        pytest.param({"memory": "much"}, "'memory' is 'much', not a number with MB or GB, such as '2GB'", id="memory"),
        pytest.param({"ready": "readyz"}, "'ready' is 'readyz', not a path that starts with /", id="ready"),
        pytest.param({"smoke": ["/", "x"]}, "'smoke' has 'x', not a path that starts with /", id="smoke"),
        pytest.param(
            {"extensions": ["bloom", 'x"; DROP']},
            "'extensions' has 'x\"; DROP', not a name of letters, digits, _ and -",
            id="extensions",
        ),
        pytest.param(
            {"internal": {"/a; }": "data"}},
            "'internal' has '/a; }', not an address that starts and ends with /, such as '/internal/'",
            id="address",
        ),
        pytest.param(
            {"internal": {"/a/": "../data"}},
            "'internal' has '../data', not a folder such as 'data' or '/var/lib/site'",
            id="folder",
        ),
        pytest.param(
            {"published": {"/*/*.txt": {}}}, "'published' of '/*/*.txt' must be a table with 'folder'", id="published"
        ),
        pytest.param({"published": "data"}, "'published' must be a table of tables, not 'data'", id="table"),
        pytest.param(
            {"request-buffering": "no"}, "'request-buffering' must be true or false, not 'no'", id="buffering"
        ),
        pytest.param({"hosts": []}, "'hosts' must name at least one", id="hosts"),
        pytest.param({"env": {"A": 1}}, "'env' must be a table of strings, not {'A': 1}", id="entries"),
    ],
)
def test_wrong_settings_are_named(table: dict[str, Any], problem: str) -> None:
    """Each message says what is wrong and what is right."""
    with pytest.raises(ConfigError) as caught:
        load(**table)

    assert caught.value.problems == (problem,)
    assert caught.value.where == "pyproject.toml [tool.estiba.targets.local]"


@pytest.mark.parametrize("network", ["fe80::1%a; b", "10.0.0.0/255.0.0.0"])
def test_what_is_no_network_for_nginx_is_refused(network: str) -> None:
    """Python takes both for one, and nginx would not start, or read another directive."""
    with pytest.raises(ConfigError, match="'trusted-proxies' has "):
        settings.parse("local", {"trusted-proxies": [network]}, folder=SERVICE, state=STATE)
