"""npm in a root file system of its own, where Debian's Node.js finds its libraries at their absolute paths."""

from collections.abc import Mapping
from pathlib import Path

import build_root
from root import Root

APP = "/app"
"""Where the service's files are."""

MODULES = "node_modules"
"""The folder that npm installs packages in."""

_SETTINGS = {
    "HOME": "/tmp",  # noqa: S108 - inside the root
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "TZ": "UTC",
    # Tools neither ask questions nor report that they were used.
    "CI": "1",
    "NO_COLOR": "1",
    # Zip files cannot hold an earlier year.
    "SOURCE_DATE_EPOCH": "315532800",
    # npm 12 takes an address in package-lock.json for a package from anywhere, and runs install scripts of those alone
    # that package.json allows: there is no network here, and .npmrc can still have `ignore-scripts`.
    "npm_config_allow_remote": "all",
    "npm_config_dangerously_allow_all_scripts": "true",
    "npm_config_audit": "false",
    "npm_config_cache": "/tmp/npm",  # noqa: S108 - inside the root
    "npm_config_fund": "false",
    # The default but for some versions of npm 9, which copy linked folders before the service is there.
    "npm_config_install_links": "false",
    "npm_config_offline": "true",
    "npm_config_progress": "false",
    "npm_config_update_notifier": "false",
    # Development packages are what builds a front end.
    "npm_config_include": "dev",
}


def assemble(tree: Path, application: Path, *, binds: Mapping[str, Path], env: Mapping[str, str]) -> Root:
    """Put the root together.

    Args:
        tree: An unpacked Debian root with npm.
        application: The service's files, which programs may write to.
        binds: What else is to be seen where.
        env: Further variables.
    """
    return build_root.assemble(tree, binds={APP: application, **binds}, env={**_SETTINGS, **env})


def configure(folder: Path, settings: list[str]) -> None:
    """Write the .npmrc of a front end; the service's own may have credentials in it, and is never here."""
    (folder / ".npmrc").write_text("".join(f"{line}\n" for line in settings))
