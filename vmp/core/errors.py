"""The one error that is shown to a user as a sentence instead of a traceback."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: names the file, key or value, the rule that it breaks, and the way out.

    The command line prints the message alone and ends with `exit_code`.
    """

    exit_code = 2


class ConfigError(InputError):
    """A setting that breaks a rule.

    Attributes:
        rule: What is wrong, to be read after the setting's path.
        where: The keys on the way to the setting.
        source: File or command line that holds it.
    """

    def __init__(self, rule: str, *, where: tuple[str, ...] = (), source: str = "", is_sentence: bool = False) -> None:
        self.where, self.source = where, source
        self.rule = f": {rule}" if is_sentence and not rule.startswith(":") else rule
        path = ".".join(where)
        text = f"{path}{self.rule}" if path and self.rule.startswith(":") else f"{path} {self.rule}"
        super().__init__((f"{source}: " if source else "") + text.removeprefix(": ").strip())
