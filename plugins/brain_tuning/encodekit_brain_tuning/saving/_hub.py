"""A tuned model for others: as a plain transformers model, and on the Hugging Face hub."""

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from encodekit.core import whole_folder
from encodekit.features import load_whole_model
from encodekit_brain_tuning.saving._folder import write_licences
from encodekit_brain_tuning.training import TuningModel

KIND = "merged model"
_UNTOUCHED = (  # what no tuning reaches: frozen stems, and Whisper's decoder
    "feature_extractor.", "encoder.conv1.", "encoder.conv2.", "decoder.",
)  # fmt: skip
_USE = """```python
from transformers import AutoModel

model = AutoModel.from_pretrained("this-folder")
```

The adapters are merged into the weights; the head is not part of this folder. Of Whisper only the
encoder is tuned: the decoder is the pretrained one, or none where the backbone had none, and its
weights in transformers are then random.
"""


def write_merged(folder: Path, model: TuningModel, backbone: str, card: str) -> None:
    """Write the tuned backbone as `save_pretrained` would, adapters merged into its weights.

    Parameters
    ----------
    folder : Path
    model : TuningModel
    backbone : str
        The pretrained model's name, for what no tuning reaches.
    card : str
        README.md, its last section exchanged for how to use a plain model.
    """
    plain, reader = load_whole_model(backbone)
    untouched = {name for name in plain.state_dict() if name.startswith(_UNTOUCHED)}
    missing, unexpected = plain.load_state_dict(merged_state(model.backbone.model), strict=False)
    if set(missing) != untouched or unexpected:
        differ = sorted(set(missing) ^ untouched | set(unexpected))
        raise ValueError(
            f"the tuned {type(plain).__name__} and the backbone {backbone!r} differ in "
            f"{len(differ)} weights, the first {differ[0]!r}: load it with the original backbone"
        )
    kept, _, _ = card.partition("```python")
    with whole_folder(folder, KIND, opened_by="ek.SpeechFeatures(path) reads it") as part:
        plain.save_pretrained(part)
        reader.save_pretrained(part)
        write_licences(part, model)
        (part / "README.md").write_bytes((kept + _USE).encode())


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of ``model`` under the names that they have without adapters."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    merged = copy.deepcopy(model)
    adapted = [(name, part) for name, part in merged.named_modules()
               if isinstance(part, BaseTunerLayer)]  # fmt: skip
    for name, part in adapted:
        parent, _, child = name.rpartition(".")
        part.merge()
        setattr(merged.get_submodule(parent), child, part.get_base_layer())
    return {name: value.cpu() for name, value in merged.state_dict().items()}


def push(
    write: Callable[[Path], None], repo_id: str, *, private: bool, message: str, api: Any = None
) -> Any:
    """Upload the folder that ``write`` writes; return what the hub answers."""
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        write(folder)
        api.create_repo(repo_id=repo_id, private=private, exist_ok=True)
        return api.upload_folder(repo_id=repo_id, folder_path=str(folder), commit_message=message)
