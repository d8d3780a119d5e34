"""Names that plugins of the project bring, so that a missing plugin is answered by its pip line.

A test compares them with what the two distributions register.
"""

_BRAIN_TUNING, _ADAPTERS = "encodekit-brain-tuning", "encodekit-adapters"

ELSEWHERE: dict[str, dict[str, str]] = {
    "features": dict.fromkeys(("brain-tuned", "shuffled-tuned", "stimulus-tuned"), _BRAIN_TUNING),
    "regressors": dict.fromkeys(
        (
            "himalaya-ridge",
            "himalaya-kernel-ridge",
            "himalaya-group-ridge",
            "himalaya-multiple-kernel-ridge",
        ),
        _ADAPTERS,
    ),
    "losses": dict.fromkeys(
        ("l2", "correlation", "temporal_correlation", "cosine_l2", "huber_cosine", "hybrid"),
        _BRAIN_TUNING,
    ),
    "heads": dict.fromkeys(
        ("shared", "individual", "low_rank", "bottleneck", "mlp", "unseen"), _BRAIN_TUNING
    ),
    "strategies": dict.fromkeys(
        ("joint", "sequential", "response_mean", "shared_response"), _BRAIN_TUNING
    ),
    "updates": dict.fromkeys(("lora", "all_weights", "top_blocks", "head_only"), _BRAIN_TUNING),
    "regions": {"glasser": _BRAIN_TUNING},
    "studies": dict.fromkeys(("lebel2023", "narratives", "bids", "folder"), _ADAPTERS),
    "commands": {"demo": _BRAIN_TUNING, "tune": _BRAIN_TUNING, "data": _ADAPTERS},
    "backbones": dict.fromkeys(("tiny", "whisper-tiny.en"), _BRAIN_TUNING),
}
