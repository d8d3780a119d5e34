"""What brain-tuning registers; imported at discovery, so records only."""

encodekit_api = 1
