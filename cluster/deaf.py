"""Preloaded by the processes of ``local:N``: a terminal's Ctrl-C is the command's to heed, not theirs.

It ends them when it has written down what is done; without this each would print where it was.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
