"""Files that programs of Debian's packages write as they are installed, without which others do not work.

None of them runs here, since those of another platform could not: what they write is made of what they would read.
"""

import graphviz
import keystore
import mime
import pixbuf
import schemas
from entries import Entries

_MAKERS = (graphviz.list_plugins, keystore.bundle, mime.index, pixbuf.list_loaders, schemas.compile_all)


def make(root: Entries) -> Entries:
    """Return the files for what is in a root, none where nothing needs them."""
    made = Entries()
    for maker in _MAKERS:
        made.items.update(maker(root).items)
    return made
