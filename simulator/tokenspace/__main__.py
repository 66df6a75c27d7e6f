"""`python -m tokenspace`."""

from tokenspace.cli import main

if __name__ == "__main__":
    main()
