"""What a board is, and how ferlite gets onto it. Start at ``boards.cli``."""
