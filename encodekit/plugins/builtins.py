"""What encodekit itself registers, through the same door as anybody's plugin."""

encodekit_api = 1
