"""One file per kind of sink; ``table`` lists them."""
