"""The root file system of a build: in namespaces, or by chroot(2) where builds run without Nix's sandbox on purpose.

Which of the two is no guess: `ESTIBA_SANDBOX=container` leaves a mark beside the Nix store. No sandboxed build sees
that file, so none can lose its namespaces unnoticed; and being no input, it is in no derivation's hash, so that both
ways make the same store paths.
"""

from collections.abc import Mapping
from pathlib import Path

from root import Root

UNSANDBOXED = Path("/nix/var/nix/estiba-unsandboxed")
"""The mark, which `nixw` and `estiba.nix` make."""


def assemble(tree: Path, *, binds: Mapping[str, Path], env: Mapping[str, str]) -> Root:
    """Return the root for this build, in its working directory; the arguments are attributes of `Root`."""
    kind = Root
    if UNSANDBOXED.exists():
        from copied_root import CopiedRoot  # noqa: PLC0415 - the sandbox has no use for it

        kind = CopiedRoot
    return kind(tree=tree, top=Path.cwd() / "root", binds=binds, env=env)
