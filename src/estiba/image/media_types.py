"""Media types and annotation keys of OCI image-spec 1.1 that Estiba reads and writes."""

from __future__ import annotations

from typing import Final

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TAR: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
CYCLONEDX: Final = "application/vnd.cyclonedx+json"
SPDX: Final = "application/spdx+json"

LAYERS: Final = frozenset({LAYER_TAR, LAYER_GZIP, LAYER_ZSTD})
"""Media types of layers that can be read."""

TITLE: Final = "org.opencontainers.image.title"
REF_NAME: Final = "org.opencontainers.image.ref.name"
REVISION: Final = "org.opencontainers.image.revision"
SOURCE: Final = "org.opencontainers.image.source"
LOCK_DIGEST: Final = "io.estiba.lock.digest"
"""Annotation with the digest of the lock file that the image was built from."""
