"""What is heard beside what is seen: sound in, a reading of the voice, and the two put together."""
