"""What a voice adds to a face: ``python -m benchmarks.audio_visual``."""
