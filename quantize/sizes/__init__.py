"""``ferlite quantize sizes``: accuracy per millisecond of networks at several input sizes."""
