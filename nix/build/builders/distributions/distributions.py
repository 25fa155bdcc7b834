"""Builder: distributions as they are in the image, each in a folder of its own: its wheel unpacked, with its bytecode.

Runs under the interpreter of the image, since that compiles them: one start of Python is enough.
"""

import bytecode


def main() -> None:
    """Build the derivation."""
    aside = bytecode.Aside()
    # Not before: bytecode depends on what its process has loaded.
    import wheel  # noqa: PLC0415

    for top, place in wheel.build():
        aside.compile(str(top), place)
    aside.finish()


if __name__ == "__main__":
    main()
