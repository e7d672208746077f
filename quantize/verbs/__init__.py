"""The verbs of ``ferlite-quantize``: a file each has their options and what they call."""
