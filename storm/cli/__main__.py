"""`python -m storm.cli`: the command `storm`."""

from storm.cli import main

if __name__ == "__main__":
    main()
