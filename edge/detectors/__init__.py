"""One file per face detector; ``table`` lists them in the order that ``auto`` tries."""
