"""The fundamental frequency of the voice, by librosa's pYIN; discovery imports this: no code."""
