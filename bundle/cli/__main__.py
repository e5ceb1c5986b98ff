"""Runs the command line: ``python -m bundle.cli``, or ``torchrun -m bundle.cli``."""

from bundle.cli.app import app

app()
