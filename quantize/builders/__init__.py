"""One file per quantizer; ``table`` lists them."""
