"""One file per kind of source; ``table`` lists them in the order in which they are asked."""
