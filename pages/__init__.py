"""Records as pictures and pages for people."""
