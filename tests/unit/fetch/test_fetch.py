from __future__ import annotations

from dataclasses import replace

from tests.recording import RecordingRunner
from tests.unit.lock.test_model import DEB, DJANGO, LOCK

from estiba.fetch import plan

ARM = ("aarch64-linux",)
BOTH = replace(
    LOCK,
    platforms=("aarch64-linux", "x86_64-linux"),
    debs=(
        DEB,
        replace(DEB, name="gcc", file="gcc_1_amd64.deb", groups=("build",)),
        replace(DEB, name="gcc", file="gcc_1_arm64.deb", groups=("build",), platforms=ARM),
        replace(DEB, name="tz", file="tz_1_arm64.deb", groups=("base", "check"), platforms=ARM),
    ),
    distributions=(DJANGO, replace(DJANGO, name="pytest", file="pytest-1.whl", groups=("dev",), platforms=ARM)),
)


def test_other_platforms_need_only_what_is_in_the_image() -> None:
    """Compilers and test tools are fetched for the machine that runs them, unless everything is asked for."""
    asked = RecordingRunner()
    plan.plan(BOTH, host="x86_64-linux", runner=asked)
    everything = RecordingRunner()
    plan.plan(BOTH, host="x86_64-linux", everything=True, runner=everything)

    assert sorted(path.split("-", 1)[1] for path in asked.calls[0][3:]) == [
        "django-5.2-py3-none-any.whl",
        "gcc_1_amd64.deb",
        "libz1_1_3a1.0-1_amd64.deb",
        "tz_1_arm64.deb",
    ]
    assert len(everything.calls[0][3:]) == 6


def test_image_needs_no_checks() -> None:
    """What only checks and tests run can be left out; a compiler is needed still."""
    asked = RecordingRunner()
    servers = replace(DEB, name="redis", file="redis_1_amd64.deb", groups=("check",))
    plan.plan(replace(BOTH, debs=(*BOTH.debs, servers)), host="x86_64-linux", image=True, runner=asked)

    assert sorted(path.split("-", 1)[1] for path in asked.calls[0][3:]) == [
        "django-5.2-py3-none-any.whl",
        "gcc_1_amd64.deb",
        "libz1_1_3a1.0-1_amd64.deb",
        "tz_1_arm64.deb",
    ]


def test_only_what_the_store_lacks_is_planned() -> None:
    """One question to Nix, and its answer is the plan."""
    missing = plan.artifact_path(DJANGO)
    runner = RecordingRunner(f"{missing}\n")
    found = plan.plan(LOCK, host="x86_64-linux", runner=runner)

    assert runner.calls[0][:3] == ["nix-store", "--check-validity", "--print-invalid"]
    assert found.to_dict() == {"bytes": 20, "files": ["django-5.2-py3-none-any.whl"], "present": 2}
