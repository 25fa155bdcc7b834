"""A small image with a shell, as an OCI layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests import ocilayout
from tests.services import debian

from estiba.image import layout
from estiba.imageref import ImageRef
from estiba.publish.registry import push
from estiba.publish.registry.client import Registry

if TYPE_CHECKING:
    from pathlib import Path

BUSYBOX: Final = "/bin/busybox"


def publish(folder: Path, host: str) -> str:
    """Push the image to a registry, and return its reference by digest.

    Args:
        folder: A folder for the layout that does not exist.
        host: Host of the reference.
    """
    (program,) = debian.unpack("busybox-static").glob("usr/bin/busybox")
    layer = ocilayout.LayerSpec(name="base", contents="busybox", files={BUSYBOX.lstrip("/"): program.read_bytes()})
    image = layout.read(ocilayout.write(folder, [ocilayout.ImageSpec(layers=[layer], command=[BUSYBOX, "sh"])]))
    target = ImageRef.parse(f"{host}/team/busybox:1")
    connection = Registry(target, writes=True)
    push.push(push.plan(image, target, connection), connection)
    return f"{host}/team/busybox@{image.digest}"
