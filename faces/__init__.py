"""Labelled faces: sets, readers, scores, corruptions. Start reading at ``faces.face_set``."""
