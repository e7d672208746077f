"""One file per kind of source; ``table`` lists them in the order in which they are asked.

Beside them what they share: ``decode`` (picture files to frames), ``heif``, ``formats``, ``address``.
"""
