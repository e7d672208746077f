"""What is lost by searching and reading less than every frame, and what that spares."""
