from __future__ import annotations

import build_root
from estiba.nix import commands


def test_both_sides_agree_on_the_mark_of_builds_without_a_sandbox() -> None:
    """Two interpreters read it: that of the tasks, and that of the builders."""
    assert commands.UNSANDBOXED == build_root.UNSANDBOXED
