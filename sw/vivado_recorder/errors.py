# SPDX-License-Identifier: Apache-2.0
"""What the recorder says."""


class RecorderError(Exception):
    """Root of the errors of this package."""


class ScriptError(RecorderError):
    """A script uses a command as its documentation does not allow, or its design is not whole; names both."""


class TclMissing(RecorderError):
    """This Python has no Tcl."""


class RunFailed(RecorderError):
    """A run ended with an error: what happens to a script that is right, and may be caught."""
