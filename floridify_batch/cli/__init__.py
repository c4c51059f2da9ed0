"""The command line.

This package owns one module per command, each with its options and its body; the options that commands share
(`options`, `run_options`); help and completion; the environment, the secrets and the location of the checkpoint
(`context`); and what `run`, `resume` and `cancel` share once their options are read (`session`, `checkpoint_policy`,
`confirmation`, `dry_run`). A command module imports heavy packages inside its functions, so that `--help` and
completion stay fast.
"""
