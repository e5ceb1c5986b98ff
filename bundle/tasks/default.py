"""The task of the shipped weights, which is meant where nobody names another."""

from bundle.tasks.task_file import load_task

DEFAULT_TASK = load_task("brain_tumours")
