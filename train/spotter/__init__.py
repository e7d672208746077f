"""The network that spots movements that come and go: learnt on photographs that move (docs/moments.md)."""
