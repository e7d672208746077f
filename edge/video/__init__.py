"""What a video needs: when it is searched, what is followed meanwhile, how readings stay calm."""
