"""ferlite's runtime: faces in a frame, and a weight for every expression. Start reading at ``edge.pipeline``."""
