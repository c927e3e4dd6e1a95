"""`python -m antiphon` is the `antiphon` program."""

from antiphon.cli.main import main

if __name__ == "__main__":
    main()
