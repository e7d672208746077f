"""What a network may be told beside the face: a source a file, all listed in ``table``."""
