"""The page of the benchmarks says what the figures say."""

from __future__ import annotations

import socket

from benchmarks import curve, releases, runner, servers, stopwatch, targets


def test_targets_are_judged_against_each_peer() -> None:
    """A target that depends on the peer can be met against one and missed against the other."""
    seconds = {"median": 1.0}
    timed = dict.fromkeys(
        ("based", "based_both", "both", "changed", "cold", "evaluated", "pushed", "unchanged"), seconds
    )
    ours = {**timed, "requests": 4, "resent": 0, "sent": {"layers": 1}, "size": 50_000_000}
    plain = {"changed": seconds, "cold": {"median": 2.0}, "size": 200_000_000}
    careful = {"changed": {"median": 0.9}, "cold": {"median": 1.9}, "size": 100_000_000}

    peers = {"careful": careful, "plain": plain, "recommended": plain, "uv": careful}
    page = targets.render({"ours": ours, "peers": peers})

    assert (
        "| cold build: half the peer's time | met, 0.50 times | met, 0.50 times | **missed**, 0.53 times |  |" in page
    )
    assert "| cold build on a base: 0.75 times the peer's time |  |  |  | met, 0.53 times |" in page
    assert "| changed line: the peer's time | met, 1.00 times | met, 1.00 times | **missed**, 1.11 times |" in page
    assert "| image, compressed: 40 % of the peer's | met, 25.0 % | met, 25.0 % | **missed**, 50.0 % |" in page
    assert "| evaluation without cache: 0.15 s | **missed**, 1.00 s |  |  |  |" in page
    assert "| push of the same image: no bytes | met, 0 |  |  |  |" in page


def test_actions_take_turns() -> None:
    """Each is prepared before it runs, the order turns round, and the warm-up does not count."""
    done: list[str] = []
    actions = {
        "ours": stopwatch.Action(lambda: done.append("ours"), lambda: done.append("change")),
        "theirs": stopwatch.Action(lambda: done.append("theirs")),
    }

    times = stopwatch.measure(actions, runs=2)

    assert done == ["change", "ours", "theirs", "theirs", "change", "ours", "change", "ours", "theirs"]
    assert {name: len(found.runs) for name, found in times.items()} == {"ours": 2, "theirs": 2}


def test_fresh_runner_is_judged_by_what_it_took() -> None:
    """The chapter has ratios to apt and pip of the same run, and says which targets were missed."""
    times = {"cached": 5.0, "ours": 30.0, "theirs": 20.0}
    measured = {name: {"median": median, "runs": [median]} for name, median in times.items()}

    used = {"cached": 6.0, "ours": 40.0, "theirs": 20.0}
    stored = {"cached": 2e8, "ours": 3e8, "theirs": 1e8}
    chapter = runner.render({**measured, "load": 2.0, "packages": 6, "stored": stored, "used": used})

    assert "| of processors | 40.0 s (2.00) | 6.0 s (0.30) | 20.0 s |" in chapter
    assert "| from nothing | 30.0 s (1.50) | 5.0 s (0.25) | 20.0 s |" in chapter
    assert "| stored | 300 MB | 200 MB | 100 MB |" in chapter
    assert "0.7 times apt and pip (**missed**), 0.3 times with a binary cache (met), and 400 MB (met)" in chapter


def test_run_by_hand_may_lack_figures() -> None:
    """What was not measured is said to be so."""
    measured = {name: {"median": median, "runs": [median]} for name, median in (("ours", 30.0), ("theirs", 20.0))}

    chapter = runner.render({**measured, "load": 2.0, "packages": 6})

    assert "| from nothing | 30.0 s (1.50) | not measured | 20.0 s |" in chapter
    assert "0.3 times with a binary cache (not measured), and 400 MB (not measured)" in chapter


def test_deployment_is_judged_by_what_helm_alone_takes() -> None:
    """Our own work is what is left of a deployment when the waits of Helm are taken away."""
    times = {"deployed": 12.0, "planned": 4.0, "rolled back": 5.0, "taken back": 6.0, "upgraded": 6.0}
    measured = {name: {"median": median, "runs": [median]} for name, median in times.items()}

    chapter = releases.render({**measured, "load": 1.0})

    assert "| deployment | 12.0 s | 6.0 s | 2.00 |\n| rollback | 6.0 s | 5.0 s | 1.20 |" in chapter
    assert "45 s for a deployment (met), of which 5 s are our own work (**missed**, 6.0 s)" in chapter
    assert "that is built takes 4.0 s; its target is 5 s (met)" in chapter


def test_growth_is_judged_at_a_hundred_distributions() -> None:
    """A row for each size, and a verdict on the first that is large enough."""
    sizes = [
        {"packages": packages, **{name: {"median": seconds, "runs": [seconds]} for name in ("evaluated", "lock", "uv")}}
        | {"unchanged": {"median": 0.25, "runs": [0.25]}}
        for packages, seconds in ((16, 0.1), (101, 0.2))
    ]

    chapter = curve.render({"load": 1.0, "sizes": sizes})

    assert "| 16 | 0.10 s | 0.25 s | 0.10 s | 0.10 s |\n| 101 | 0.20 s | 0.25 s | 0.20 s | 0.20 s |\n" in chapter
    assert "evaluation 0.15 s (**missed**), nothing changed 0.3 s (met)" in chapter


def test_deployment_by_ssh_is_judged_by_its_time() -> None:
    """Both ways have a limit."""
    measured = {name: {"median": median, "runs": [median]} for name, median in (("deployed", 7.0), ("taken back", 4.0))}

    chapter = servers.render({**measured, "first": 60.0, "load": 1.0})

    assert "| deployment | 7.0 s | 8 s (met) |\n| rollback | 4.0 s | 3 s (**missed**) |" in chapter


def test_relay_holds_back_all_that_passes() -> None:
    """Each way for its time, and nothing is lost or changed."""
    sent = bytes(range(256)) * 1000
    with (
        socket.create_server(("127.0.0.1", 0)) as echo,
        servers.delayed(echo.getsockname()[1], 0.01) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        there, _ = echo.accept()
        with there, there.makefile("rb") as reader:
            there.sendall(reader.read())
        with client.makefile("rb") as reader:
            assert reader.read() == sent
