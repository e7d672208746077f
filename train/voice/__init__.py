"""The voice half of the audio-visual system: readings of 0.97 s of speech (docs/systems/audio_visual.md)."""
