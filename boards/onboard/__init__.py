"""What runs on the board itself, with nothing but the system's Python: the installer."""
