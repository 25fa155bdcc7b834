"""Pushing to Debian's registry: nothing is sent twice, nothing is lost, nothing is told."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests import ocilayout
from tests.services import proxy, registry

from estiba.digest import Digest
from estiba.errors import ImageRefError, RegistryError
from estiba.image import layout, media_types, report
from estiba.image.manifest import Document
from estiba.imageref import ImageRef
from estiba.publish.registry import credentials, pull, push
from estiba.publish.registry.client import Registry, referrers_tag
from estiba.publish.registry.transport import Backoff

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.registry import RunningRegistry

    from estiba.image.layout import Layout
    from estiba.publish.registry.push import Pushed

HTPASSWD = "ana:$2y$05$Sn3xZX4GegSe3Iw5TG//legSHfXASG9je/VUm4msj.QqUwQQf1q3G"
"""Recorded with `htpasswd -nbBC 5 ana s3cret`."""

QUICK = Backoff(pause=0.01)


def make(path: Path, code: bytes = b"one", **options: Any) -> Layout:  # noqa: ANN401 - those of the layout
    """Build a layout."""
    return layout.read(ocilayout.write(path, ocilayout.service(code, **options)))


def send(image: Layout, ref: str, **options: Any) -> Pushed:  # noqa: ANN401 - those of the registry
    """Push with a fresh connection, as a new process does."""
    target = ImageRef.parse(ref)
    connection = Registry(target, writes=True, backoff=QUICK, **options)
    return push.push(push.plan(image, target, connection), connection)


def test_first_push(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """Everything arrives, byte for byte, and the digest is the build's."""
    image, ref = make(tmp_path / "image"), ImageRef.parse(f"{running_registry.host}/team/shop:1")
    pushed = send(image, str(ref))
    assert str(pushed.ref) == f"{ref}@{image.digest}"
    there = Registry(ref)
    served = there.manifest("1")
    assert served is not None
    assert served.data == image.document.data
    assert [there.manifest(str(one.document.digest)) for one in image.images] == [one.document for one in image.images]
    blobs = {str(blob.digest) for one in image.images for blob in one.blobs}
    assert blobs <= running_registry.blob_files("team/shop")


def test_unchanged_image_sends_nothing(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """An image that is there costs fewer than ten requests, none of which writes."""
    image, ref = make(tmp_path / "image"), f"{running_registry.host}/team/shop:1"
    send(image, ref)
    before = len(running_registry.requests())
    again = send(image, ref)
    asked = running_registry.requests()[before:]
    assert (again.sent, again.manifests, again.size) == ((), (), 0)
    assert len(asked) == again.requests < 10
    assert {request.split(" ")[0] for request in asked} == {"GET"}


def test_code_change_sends_one_layer(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """A change in the application sends its layer and, for each platform, a configuration; no layer is asked for."""
    first, second = make(tmp_path / "first"), make(tmp_path / "second", b"two")
    ref = f"{running_registry.host}/team/shop:1"
    send(first, ref)
    before = len(running_registry.requests())
    pushed = send(second, ref)
    configs = {image.manifest.config.digest for image in second.images}
    assert set(pushed.sent) == {*configs, second.images[0].layers[-1].blob.digest}
    unchanged = [str(layer.blob.digest) for layer in second.images[0].layers[:2]]
    asked = " ".join(running_registry.requests()[before:])
    assert not [digest for digest in unchanged if digest in asked]


def test_manifests_come_before_the_tag(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """Whoever sees the tag sees a whole image: blobs first, then manifests, bills of materials, index, tag."""
    image = make(tmp_path / "image")
    send(image, f"{running_registry.host}/team/shop:1")
    puts = [request.split("/")[4:] for request in running_registry.requests() if request.startswith("PUT")]
    first_manifest = next(number for number, place in enumerate(puts) if place[0] == "manifests")
    assert first_manifest == 10
    platforms = [["manifests", str(one.document.digest)] for one in image.images]
    index = ["manifests", str(image.digest)]
    assert puts[-2:] == [index, ["manifests", "1"]]
    assert max(puts.index(one) for one in platforms) < puts.index(index)


def test_sboms_are_referrers(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """Each platform's bills of materials can be found from its manifest; others' attachments stay."""
    image, ref = make(tmp_path / "image"), ImageRef.parse(f"{running_registry.host}/team/shop:1")
    send(image, str(ref))
    there = Registry(ref)
    for one in image.images:
        found = there.referrers(one.document.digest)
        assert {entry.artifact_type for entry in found} == {media_types.CYCLONEDX, media_types.SPDX}
        for entry in found:
            artifact = json.loads(there.manifest(str(entry.digest)).data)  # type: ignore[union-attr]
            assert artifact["subject"]["digest"] == str(one.document.digest)
            layer = artifact["layers"][0]
            (sbom,) = [sbom for sbom in image.sboms(one) if sbom.media_type == entry.artifact_type]
            assert layer["digest"] == str(Digest.of_file(sbom.path))
            assert there.has_blob(Digest.parse(layer["digest"]))


def test_attachments_of_others_stay(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """A signature that somebody attached is still listed after a push."""
    image, ref = make(tmp_path / "image", sbom=False), ImageRef.parse(f"{running_registry.host}/team/shop:1")
    send(image, str(ref))
    subject_digest = image.images[0].document.digest
    there = Registry(ref, writes=True)
    foreign = image.images[1].document
    listing = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [foreign.descriptor.to_dict()],
    }
    document = Document(media_type=media_types.INDEX, data=json.dumps(listing).encode())
    there.put_manifest(referrers_tag(subject_digest), document)
    send(make(tmp_path / "again"), str(ref))
    digests = [entry.digest for entry in Registry(ref).referrers(subject_digest)]
    assert foreign.digest in digests
    assert len(digests) == 3


def test_lost_blob_is_sent_again(registry_root: Path, tmp_path: Path) -> None:
    """A registry that lost a layer says so when the manifest arrives; the push mends it."""
    first, second = make(tmp_path / "first"), make(tmp_path / "second", b"two")
    with registry.run(registry_root, tmp_path / "registry") as running:
        send(first, f"{running.host}/team/shop:1")
        lost = first.images[0].layers[0].blob.digest
        running.drop_blob(lost.hex)
    # Another process, because the registry remembers what it has seen.
    with registry.run(registry_root, tmp_path / "registry") as running:
        ref = ImageRef.parse(f"{running.host}/team/shop:1")
        send(second, str(ref))
        assert Registry(ref).has_blob(lost)


def test_mount_from_another_repository(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """What another repository of the registry has does not travel."""
    image = make(tmp_path / "image")
    first = send(image, f"{running_registry.host}/team/shop:1")
    second = send(image, f"{running_registry.host}/other/shop:1", mount_from="team/shop")
    assert (second.sent, second.size) == ((), 0)
    assert set(second.mounted) == set(first.sent)


def test_dry_run_changes_nothing(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """A plan only reads."""
    ref = ImageRef.parse(f"{running_registry.host}/team/shop:1")
    wanted = push.plan(make(tmp_path / "image"), ref, Registry(ref))
    assert len(wanted.to_dict()["blobs"]) == 10
    assert {request.split(" ")[0] for request in running_registry.requests()} == {"GET", "HEAD"}


def test_push_to_a_digest(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """A push names a tag; the digest is the build's business."""
    image = make(tmp_path / "image")
    with pytest.raises(ImageRefError, match="the build decides the digest"):
        send(image, f"{running_registry.host}/shop@{image.digest}")


@pytest.fixture
def large(tmp_path: Path) -> Layout:
    """Build an image with a layer that does not compress."""
    specs = ocilayout.service()
    noise = ocilayout.LayerSpec(name="noise", contents="noise", files={"noise": os.urandom(8_000_000)})
    specs[0] = ocilayout.ImageSpec(layers=[*specs[0].layers, noise])
    return layout.read(ocilayout.write(tmp_path / "large", specs))


def test_broken_connections(running_registry: RunningRegistry, tmp_path: Path, large: Layout) -> None:
    """Connections that break in the middle of an upload are survived; only the broken blobs are sent again.

    This registry forgets a blob that broke off, so up to a limit's worth is lost each time. What a registry that
    keeps it makes possible is tested in test_image_upload.
    """
    told: list[int] = []
    with proxy.run(running_registry.port, cuts=3, limit=3_000_000) as flaky:
        ref = ImageRef.parse(f"{flaky.host}/team/shop:1")
        there = Registry(ref, writes=True, backoff=QUICK)
        wanted = push.plan(large, ref, there)
        push.push(wanted, there, advance=told.append)
        assert flaky.cuts_left == 0
        carried = flaky.carried
    assert sum(told) == wanted.size
    assert wanted.size < carried < wanted.size + 3 * 3_000_000 + 100_000
    noise = large.images[0].layers[-1].blob
    data = Registry(ImageRef.parse(f"{running_registry.host}/team/shop:1")).blob(noise)
    assert Digest.of_bytes(data) == noise.digest


def test_broken_for_good(running_registry: RunningRegistry, large: Layout) -> None:
    """A connection that keeps breaking ends in one error, and the tag does not appear."""
    with proxy.run(running_registry.port, cuts=1000, limit=1_000_000) as flaky:
        with pytest.raises(RegistryError) as caught:
            send(large, f"{flaky.host}/team/shop:1")
        assert f"{flaky.host}: PUT /v2/team/shop/blobs/uploads/" in caught.value.message
        assert "_state" not in str(caught.value)
    assert Registry(ImageRef.parse(f"{running_registry.host}/team/shop:1")).manifest("1") is None


def test_restarted_registry(registry_root: Path, tmp_path: Path) -> None:
    """A registry that is down for a moment is waited for."""
    image = make(tmp_path / "image")
    with registry.run(registry_root, tmp_path / "registry") as running:
        ref, port = ImageRef.parse(f"{running.host}/team/shop:1"), running.port
        there = Registry(ref, writes=True, backoff=Backoff(pause=0.2))
        wanted = push.plan(image, ref, there)
    with registry.run(registry_root, tmp_path / "registry", port=port):
        assert push.push(wanted, there).ref.digest == image.digest


@pytest.fixture
def htpasswd(tmp_path: Path) -> dict[str, Any]:
    """Write a password file and return the registry's settings for it."""
    path = tmp_path / "htpasswd"
    path.write_text(f"{HTPASSWD}\n")
    return {"htpasswd": {"realm": "shop", "path": str(path)}}


def test_basic_authentication(registry_root: Path, tmp_path: Path, htpasswd: dict[str, Any]) -> None:
    """Credentials from Docker's configuration let one in; an unchanged image still needs fewer than ten requests."""
    image = make(tmp_path / "image")
    config = tmp_path / "config.json"
    with registry.run(registry_root, tmp_path / "registry", auth=htpasswd) as running:
        auth = base64.b64encode(b"ana:s3cret").decode()
        config.write_text(json.dumps({"auths": {running.host: {"auth": auth}}}))
        found = credentials.load(config, running.host)
        send(image, f"{running.host}/team/shop:1", credentials=found)
        assert send(image, f"{running.host}/team/shop:1", credentials=found).requests < 10


def test_wrong_password(registry_root: Path, tmp_path: Path, htpasswd: dict[str, Any]) -> None:
    """A refused password is not shown, neither in clear nor encoded."""
    wrong = credentials.Credentials(username="ana", password="wr0ng-pass")
    with (
        registry.run(registry_root, tmp_path / "registry", auth=htpasswd) as running,
        pytest.raises(RegistryError) as caught,
    ):
        send(make(tmp_path / "image"), f"{running.host}/team/shop:1", credentials=wrong)
    assert f"docker login {running.host}" in caught.value.hint
    assert "wr0ng" not in f"{caught.value}{caught.value.__cause__!r}"
    assert wrong.basic.split(" ")[1] not in f"{caught.value}{caught.value.__cause__!r}"


def test_inspect_and_verify_read_it_back(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """The report on the pushed image is that on the layout, and a stranger gets the same images."""
    image, ref = make(tmp_path / "image"), ImageRef.parse(f"{running_registry.host}/team/shop:1")
    send(image, str(ref))
    found = pull.read_report(ref, Registry(ref))
    assert found is not None
    assert found.images == report.of_layout(image).images
    with pull.open_candidate(ref, Registry(ref)) as served:
        assert served.digest == image.digest
        blob = image.images[0].layers[0].blob
        assert served.image_set.blob(blob).read_bytes() == image.blob(blob.digest).read_bytes()


def test_code_change_is_quick(running_registry: RunningRegistry, tmp_path: Path) -> None:
    """A code change is in a registry on this machine within a second, when nothing else keeps the processors busy."""
    ref = f"{running_registry.host}/team/shop:1"
    send(make(tmp_path / "first"), ref)
    times = []
    for number in range(5):
        changed = make(tmp_path / str(number), str(number).encode())
        started = time.monotonic()
        send(changed, ref)
        times.append(time.monotonic() - started)
    assert min(times) < 1
