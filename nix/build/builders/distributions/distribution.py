"""Builder: one distribution as it is in the image: its wheel unpacked, with its bytecode.

Runs under the interpreter of the image, since that compiles it: one start of Python for each wheel is enough.
"""

import bytecode


def main() -> None:
    """Build the derivation."""
    compile_folder = bytecode.aside()
    # Not before: bytecode depends on what its process has loaded.
    import wheel  # noqa: PLC0415

    if modules := wheel.build():
        top, place = modules
        compile_folder(str(top), place)


if __name__ == "__main__":
    main()
