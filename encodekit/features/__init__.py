"""Features from audio and words, on the grid of the fMRI."""
