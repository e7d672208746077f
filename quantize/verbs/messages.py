"""What verbs say on standard error."""

PROGRAM = "ferlite-quantize"
