"""Everything the boards package raises, a branch of the runtime's own tree.

Every error has two parents (ours and the standard one a Python programmer expects) and its message is one
sentence: what failed, the value quoted, what to type next. ``edge.commands.exits`` makes exit codes of them.

    FerliteError
    └── BoardsError                           anything understood                     exit 1
        ├── UsageError(edge's UsageError)     an argument makes no sense              exit 2
        ├── ProfileInvalid(ValueError)        a profile has an unknown key or value
        ├── BoardUnknown(LookupError)         no profile of that name, or none matches
        ├── BoardRefused(RuntimeError)        the board or its system cannot run ferlite
        ├── BundleInvalid(ValueError)         a bundle that cannot be read
        ├── FleetInvalid(ValueError)          a fleet's file has an unknown key or value
        ├── PayloadInvalid(ValueError)        a payload or wheelhouse that does not fit the board
        ├── ToolMissing(OSError)              a program of the system is not installed
        ├── DeployFailed(OSError)             the board could not be reached, or refused the payload
        ├── ImageInvalid(ValueError)          an image that cannot be written to
        ├── DeviceRefused(OSError)            a device that must not be written to
        ├── FileRefused(OSError)              a file or folder here that cannot be read or written
        └── EmulationFailed(RuntimeError)     the emulated board did not come up
"""

from __future__ import annotations

from edge import errors


class BoardsError(errors.FerliteError):
    """Anything that went wrong in a way the boards package understands."""


class UsageError(BoardsError, errors.UsageError):
    """An argument makes no sense."""


class ProfileInvalid(BoardsError, ValueError):
    """A profile has an unknown key or value."""


class BoardUnknown(BoardsError, LookupError):
    """There is no profile of that name, or none that matches the board."""


class BoardRefused(BoardsError, RuntimeError):
    """The board, or the system on it, cannot run ferlite."""


class BundleInvalid(BoardsError, ValueError):
    """A bundle cannot be read."""


class FleetInvalid(BoardsError, ValueError):
    """A fleet's file has an unknown key or value."""


class PayloadInvalid(BoardsError, ValueError):
    """A payload or wheelhouse does not fit the board."""


class ToolMissing(BoardsError, OSError):
    """A program of the system is not installed."""


class DeployFailed(BoardsError, OSError):
    """The board could not be reached, or refused the payload."""


class ImageInvalid(BoardsError, ValueError):
    """An image cannot be written to."""


class DeviceRefused(BoardsError, OSError):
    """A device must not be written to."""


class FileRefused(BoardsError, OSError):
    """A file or folder of this machine cannot be read or written."""


class EmulationFailed(BoardsError, RuntimeError):
    """The emulated board did not come up."""
