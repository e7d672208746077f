"""Parts of networks that read a trunk's maps: attention, regions, simulated circuits."""
