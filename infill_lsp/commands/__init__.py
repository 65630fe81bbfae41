"""One file for each command. They print; the rest of the package does not."""


class CommandError(Exception):
    """The command line or a file it names is wrong. The message says what to do about it."""
