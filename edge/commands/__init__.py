"""What all ferlite commands share (one face, exit codes, option words, progress), and the small verbs."""
