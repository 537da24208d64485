"""The one error that is shown to a user as a sentence instead of a traceback."""


class InputError(ValueError):
    """Bad input: names the file, key or value, the rule that it breaks, and the way out.

    The command line prints the message alone and ends with `exit_code`.
    """

    exit_code = 2
