"""``ferlite-quantize bench``: a bundle's speed and power on the machine at hand. Start at ``record``."""
