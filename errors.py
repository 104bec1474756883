"""The errors a user can meet; each message reads "where: rule, not value. What to do."."""


class GatewrightError(Exception):
    """Base of every error that is the input's, the board's or a tool's fault, not ours.

    The command line prints the message alone and exits with 2.
    """


class GraphError(GatewrightError):
    """A model or an integer graph breaks a rule (a shape, a type, an unknown operator)."""


class LoweringError(GatewrightError):
    """A target has no rule for an op, or not for these operands."""


class FitError(GatewrightError):
    """The design needs more than the board has."""


class BoardError(GatewrightError):
    """An unknown board, or a board file that breaks the schema."""


class ToolError(GatewrightError):
    """An external tool is missing, too old, or failed; carries the lines of its log that matter."""


class InputError(GatewrightError):
    """A file, an array or an option that a user gave cannot be used."""


class DeadlockError(GatewrightError):
    """Units of a design wait for each other's beats or room, so that none ever gets further."""
