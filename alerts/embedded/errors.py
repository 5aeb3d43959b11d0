"""What can go wrong before a server of ours is up."""


class EmbeddedError(Exception):
    """A start that cannot succeed. Its text is one sentence with the remedy, fit to be shown without a traceback."""


class SafetyError(EmbeddedError):
    """A command of ours was about to touch something that it must leave alone."""
