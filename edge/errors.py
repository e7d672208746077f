"""Everything ferlite raises, and the exit code each becomes.

Every error has two parents: ours, so that one ``except`` catches all, and the standard exception a
Python programmer would expect. Messages are one sentence: what failed, the value quoted, what to do.

    FerliteError
    ├── UsageError(ValueError)             an argument makes no sense                     exit 2
    ├── EngineError                        anything about an inference engine
    │   ├── EngineUnknown(ValueError)      no engine of that name
    │   ├── EngineMissing(ImportError)     its library is not installed
    │   ├── EngineRefused(RuntimeError)    its library is here but must not or cannot be used
    │   └── EngineFailed(RuntimeError)     it could not load or run a model
    │       └── FrameLost                  its process hung or died at a frame, the next may do
    ├── ModelError                         anything about a model's files
    │   ├── BundleInvalid(ValueError)      bundle.json or a file it names is wrong
    │   │   └── SignatureRefused           nobody who is trusted stands for it, or no longer
    │   ├── ModelMismatch(ValueError)      inputs or outputs are not what was asked for
    │   └── FetchFailed(OSError)           a download did not arrive whole
    ├── DetectorError                      anything about a face detector
    │   ├── DetectorUnknown(ValueError)    no detector of that name
    │   ├── DetectorMissing(OSError)       its file, or what it runs in, is not here
    │   └── DetectorFailed(RuntimeError)   its file is not what it should be
    ├── SourceError(OSError)               no frames from there
    │   └── SourceFault                    no frames for now: it is opened again
    │       └── SourceBack                 they come again
    ├── SinkError(OSError)                 cannot write there
    │   └── FrameNotSaved                  one picture could not be, the next may
    ├── ClusterError(OSError)              other machines cannot be worked with
    │   └── WorkerRefuses                  one of them cannot do a task, another may
    └── ToolchainError                     the build half
        ├── RecipeInvalid(ValueError)      a recipe has an unknown key or value
        ├── DataInvalid(ValueError)        a data set is not what it should be
        ├── BuildFailed(RuntimeError)      an export or quantization did not succeed
        └── StorageFailed(OSError)         a disk is full, or will not be written
"""

from __future__ import annotations


class FerliteError(Exception):
    """Anything that went wrong in a way ferlite understands."""


class UsageError(FerliteError, ValueError):
    """An argument makes no sense."""


class EngineError(FerliteError):
    """Anything about an inference engine."""


class EngineUnknown(EngineError, ValueError):
    """There is no engine of that name."""


class EngineMissing(EngineError, ImportError):
    """The engine's library is not installed."""


class EngineRefused(EngineError, RuntimeError):
    """The engine's library is installed but must not or cannot be used on this machine."""


class EngineFailed(EngineError, RuntimeError):
    """The engine could not load or run a model."""


class FrameLost(EngineFailed):
    """The engine's own process hung or died, and took a frame with it; the next may be read."""


class ModelError(FerliteError):
    """Anything about a model's files."""


class BundleInvalid(ModelError, ValueError):
    """bundle.json, or a file that it names, is wrong."""


class SignatureRefused(BundleInvalid):
    """A bundle has no signature that is trusted, or one that is out of date or of an older version."""


class ModelMismatch(ModelError, ValueError):
    """A model's inputs or outputs are not what was asked for."""


class FetchFailed(ModelError, OSError):
    """A download did not arrive whole."""


class DetectorError(FerliteError):
    """Anything about a face detector."""


class DetectorUnknown(DetectorError, ValueError):
    """There is no detector of that name."""


class DetectorMissing(DetectorError, OSError):
    """The detector's file, or what it runs in, is not here."""


class DetectorFailed(DetectorError, RuntimeError):
    """The detector's file is not what it should be."""


class SourceError(FerliteError, OSError):
    """No frames can be had from there."""


class SourceFault(SourceError):
    """A camera or stream failed and is opened again: what it says, while the run goes on."""


class SourceBack(SourceFault):
    """A camera or stream that had failed gives frames again."""


class SinkError(FerliteError, OSError):
    """Results cannot be written there."""


class FrameNotSaved(SinkError):
    """One picture could not be saved; the next may do better."""


class ClusterError(FerliteError, OSError):
    """Other machines cannot be reached, or cannot be worked with."""


class WorkerRefuses(ClusterError):
    """A worker cannot do this task, for a reason of its own; another worker may."""


class ToolchainError(FerliteError):
    """Anything about training, exporting, quantizing or measuring."""


class RecipeInvalid(ToolchainError, ValueError):
    """A recipe has an unknown key or value."""


class DataInvalid(ToolchainError, ValueError):
    """A data set is not what it should be."""


class BuildFailed(ToolchainError, RuntimeError):
    """An export or a quantization did not succeed."""


class StorageFailed(ToolchainError, OSError):
    """What was made cannot be stored: another recipe would not help."""
