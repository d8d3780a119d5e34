"""A backbone of the same shape that has learnt nothing."""

from pathlib import Path

from encodekit.core import whole_folder

KIND = "untrained backbone"


def untrained_backbone(backbone: str | Path, folder: str | Path, random_state: int = 0) -> str:
    """Write a backbone of the same shape with random weights, and return its folder.

    `encodekit.SpeechFeatures` reads it, and `BrainTunedFeatures` tunes it, as any other.

    Parameters
    ----------
    backbone : str or path
        A registered name, a folder, or a hub id.
    folder : path
        Where ``config.json``, the weights and the feature extractor are written. It may be there
        if an untrained backbone was written to it before.
    random_state : int

    Raises
    ------
    FileExistsError
        If the folder holds something else.
    """
    import torch

    from encodekit.features import load_whole_model

    model, reader = load_whole_model(backbone)
    with torch.random.fork_rng():
        torch.manual_seed(random_state)
        untrained = type(model)(model.config)
    with whole_folder(folder, KIND, opened_by="ek.SpeechFeatures(path) reads it") as part:
        untrained.save_pretrained(part)
        reader.save_pretrained(part)
    return str(folder)
