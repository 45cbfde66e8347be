"""`python -m convlens`: the command line."""

from convlens.cli.main import main

main()
