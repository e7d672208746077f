"""What a build proves and leaves behind: its record, card, page and bundle, and the check of them."""
