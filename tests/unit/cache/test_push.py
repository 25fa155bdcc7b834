from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.recording import RecordingRunner

from estiba.cache import push
from estiba.cache.address import Address
from estiba.cache.keys import PublicKey, SigningKey
from estiba.errors import CacheError

if TYPE_CHECKING:
    from pathlib import Path

SERVER = Address.parse("http://localhost:8080")
WORD, PAIR = "/nix/store/wd0ys9snp82b5v5j4pgp5wfhnfjhl2vm-word", "/nix/store/zil1z8fyrc7mlj7dd23lwp4mnywijbwh-pair"


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """Return a key whose file nobody reads."""
    public = PublicKey("team-1:9tmfUiytADPurhDpm7wwN7hux8pNJCWLlSgYBo9B1go=")
    return SigningKey(file=tmp_path / "team.key", public=public)


def listed(*paths: str, content: str = "sha256-A", **more: Any) -> str:  # noqa: ANN401 - any JSON
    """Return what `nix path-info --json` prints for some paths."""
    return json.dumps({path: {"narHash": content, "narSize": 100, "ca": None, **more} for path in paths})


def test_plan_asks_both_stores(key: SigningKey) -> None:
    """What is here and not there is wanted; the cache is asked anew, as Nix remembers answers for a month."""
    runner = RecordingRunner(listed(WORD, PAIR), json.dumps({WORD: json.loads(listed(WORD))[WORD], PAIR: None}))

    wanted = push.plan(SERVER, [PAIR], key=key, runner=runner)

    assert ([entry.path for entry in wanted.wanted], wanted.present, wanted.size) == ([PAIR], 1, 100)
    assert runner.calls[:2] == [
        ["nix", "path-info", "--json", "--recursive", PAIR],
        ["nix", "path-info", "--json", "--refresh", "--store", "http://localhost:8080", "--stdin"],
    ]


def test_push_is_one_copy(key: SigningKey) -> None:
    """Nix compresses, signs and orders; the secret is named by its file."""
    runner = RecordingRunner(listed(WORD, PAIR), "{}")
    wanted = push.plan(SERVER, [PAIR], key=key, runner=runner)

    push.push(wanted, advance=lambda _: None, runner=runner)

    target = f"http://localhost:8080?compression=zstd&secret-key={key.file}"
    options = ["--log-format", "internal-json", "--option", "download-attempts", "1", "--stdin"]
    assert runner.calls[2:] == [["nix", "copy", "--to", target, *options]]


def test_complete_cache_needs_no_copy(key: SigningKey) -> None:
    """Nothing is sent where nothing is missing."""
    runner = RecordingRunner(listed(PAIR), listed(PAIR))
    wanted = push.plan(SERVER, [PAIR], key=key, runner=runner)
    asked = len(runner.calls)

    push.push(wanted, advance=lambda _: None, runner=runner)

    assert (wanted.to_dict()["paths"], runner.calls[asked:]) == ([], [])


def test_missing_folder_is_not_asked(key: SigningKey, tmp_path: Path) -> None:
    """Nix would make the folder when it is asked what it holds."""
    runner = RecordingRunner(listed(PAIR))

    push.plan(Address.parse(str(tmp_path / "none")), [PAIR], key=key, runner=runner)

    assert len(runner.calls) == 1


def test_other_contents_are_refused(key: SigningKey) -> None:
    """What is published never changes."""
    runner = RecordingRunner(listed(PAIR), listed(PAIR, content="sha256-B"))

    with pytest.raises(CacheError, match=f"has other contents for {PAIR}; what is published never changes"):
        push.plan(SERVER, [PAIR], key=key, runner=runner)


def test_unknown_path_is_an_error(key: SigningKey) -> None:
    """A path that is not in the store was not built, or was collected."""
    with pytest.raises(CacheError, match=f"not in this machine's store: {PAIR}") as caught:
        push.plan(SERVER, [PAIR], key=key, runner=RecordingRunner(1))

    assert caught.value.hint == "invoke build"


def test_inputs_need_the_machine_that_built(key: SigningKey) -> None:
    """A path from a cache has no derivation here to follow."""
    with pytest.raises(CacheError, match=rf"does not know what {PAIR} was built from") as caught:
        push.plan(SERVER, [PAIR], key=key, with_inputs=True, runner=RecordingRunner(f"{PAIR}.drv", 1))

    assert caught.value.hint == "push from the machine that built it, or leave out --inputs"


def test_inputs_leave_derivations_out(key: SigningKey) -> None:
    """What was built and what was locked is sent, not the recipes."""
    drv = f"{PAIR}.drv"
    runner = RecordingRunner(drv, f"{WORD}\n{drv}\n", PAIR, "", f"{drv}\n{WORD}\n{PAIR}\n", listed(WORD, PAIR), "{}")

    wanted = push.plan(SERVER, [PAIR], key=key, with_inputs=True, runner=runner)

    assert runner.calls[1:5] == [
        ["nix-store", "--query", "--requisites", drv],
        ["nix-store", "--query", "--outputs", drv],
        ["nix-store", "--check-validity", "--print-invalid", PAIR],
        ["nix-store", "--query", "--requisites", "--include-outputs", drv],
    ]
    assert wanted.roots == (WORD, PAIR)


@pytest.mark.parametrize(("cached", "builds"), [(True, False), (False, True)])
def test_inputs_that_were_collected_are_built(key: SigningKey, *, cached: bool, builds: bool) -> None:
    """An image that was in the store already says nothing of its inputs; what the cache has is not needed here."""
    drv = f"{PAIR}.drv"
    answers = [drv, drv, f"{WORD}\n{PAIR}", WORD, listed(WORD) if cached else "{}", *([""] if builds else [])]
    runner = RecordingRunner(*answers, PAIR, listed(PAIR), "{}")

    push.plan(SERVER, [PAIR], key=key, with_inputs=True, runner=runner)

    assert (["nix", "build", "--no-link", "--stdin"] in runner.calls) is builds


def test_inputs_that_cannot_be_built_are_an_error(key: SigningKey) -> None:
    """A cache without them is of no use to who builds a change."""
    runner = RecordingRunner(f"{PAIR}.drv", f"{PAIR}.drv", WORD, WORD, "{}", 1)

    with pytest.raises(CacheError, match="inputs of the build are not on this machine") as caught:
        push.plan(SERVER, [PAIR], key=key, with_inputs=True, runner=runner)

    assert caught.value.hint == "invoke fetch, then push again; or leave out --inputs"


def test_server_gets_several_chances(key: SigningKey) -> None:
    """A copy that fails is tried again with growing pauses, and given up when nothing more arrives."""
    pauses: list[float] = []
    failures: list[str | int] = [1, "{}"] * 9
    runner = RecordingRunner(listed(PAIR), "{}", *failures)
    wanted = push.plan(SERVER, [PAIR], key=key, runner=runner)

    with pytest.raises(CacheError, match="cannot push to http://localhost:8080") as caught:
        push.push(wanted, advance=lambda _: None, sleep=pauses.append, runner=runner)

    assert pauses == [0.5, 1.0, 2.0]
    assert caught.value.hint == "run the command again; what has arrived is not sent twice"


def test_progress_gives_new_chances(key: SigningKey) -> None:
    """As long as something arrives, the number of tries starts anew."""
    paths = [f"/nix/store/{letter * 32}-path" for letter in "abcdf"]
    answers = [answer for number in range(1, 5) for answer in (1, listed(*paths[:number]))]
    runner = RecordingRunner(listed(*paths), "{}", *answers, "")
    wanted = push.plan(SERVER, paths, key=key, runner=runner)

    push.push(wanted, advance=lambda _: None, sleep=lambda _: None, runner=runner)

    assert [call[1] for call in runner.calls[2:]].count("copy") == 5
