"""What is done to a network before its builder quantizes it: calibration, ranges, equalization, QAT."""
