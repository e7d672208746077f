"""One file per inference library; ``table`` lists them in the order that ``auto`` tries."""
