"""Names that plugins of the project bring, so that a missing plugin is answered by its pip line."""

ELSEWHERE: dict[str, dict[str, str]] = {
    "features": {"brain-tuned": "encodekit-brain-tuning"},
    "losses": {
        "l2": "encodekit-brain-tuning",
        "correlation": "encodekit-brain-tuning",
        "cosine_l2": "encodekit-brain-tuning",
    },
    "regions": {"glasser": "encodekit-brain-tuning"},
    "studies": dict.fromkeys(("lebel2023", "narratives", "bids", "folder"), "encodekit-adapters"),
    "commands": {
        "demo": "encodekit-brain-tuning",
        "tune": "encodekit-brain-tuning",
        "data": "encodekit-adapters",
    },
    "backbones": {"tiny": "encodekit-brain-tuning"},
}
