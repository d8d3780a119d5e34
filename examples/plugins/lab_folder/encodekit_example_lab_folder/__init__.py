"""A lab's own folder of wav and npy files as a study; discovery imports this: no code."""
