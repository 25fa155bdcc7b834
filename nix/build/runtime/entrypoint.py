"""The image's entry point: run `estiba_runtime` from the folder beside this file."""

from __future__ import annotations

import os
import sys

from estiba_runtime.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
