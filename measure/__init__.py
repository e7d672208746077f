"""What a bundle costs on the machine at hand: speed, power, memory. Start reading at ``measure.bench``."""
