"""A lab's own folder of wav and npy files as a study."""

from encodekit_example_lab_folder.study import load_lab_folder

__all__ = ["load_lab_folder"]
