"""`tokenspace`, and `python -m tokenspace`."""

import signal


def main() -> None:
    """Run the command line. Ctrl-C before it is loaded ends at once: nothing is begun by then."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tokenspace.cli import main as command

    command()


if __name__ == "__main__":
    main()
