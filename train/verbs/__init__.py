"""The verbs of ``ferlite-train``: a file each has their options and what they call."""
