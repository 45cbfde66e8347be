"""The command line: parse, call one task, print. One file per command."""
