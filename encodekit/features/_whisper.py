"""Whisper's encoder in the shape of wav2vec2: a stem from samples to frames, and blocks."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.whisper.modeling_whisper import WhisperEncoder, WhisperPreTrainedModel

BARE_NAMES = {  # of an encoder that was saved by itself, to those that it has within a model
    r"^(conv1|conv2|embed_positions|layers|layer_norm)\.": r"encoder.\1."
}


class WhisperEncoderAlone(WhisperPreTrainedModel):  # type: ignore[no-untyped-call]
    """A Whisper model that has no decoder, neither in memory nor in its checkpoint."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._keys_to_ignore_on_load_unexpected = {r"^(?!(model\.)?encoder\.)"}
        self.encoder = WhisperEncoder(config)
        self.post_init()  # type: ignore[no-untyped-call]


class MelStem(nn.Module):
    """Whisper's log-mel spectrogram and its two convolutions: samples in, frames out.

    Every clip is filled with silence to 30 s, as Whisper was trained. The frames of the silence
    stay: the blocks above attend to them.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, encoder: Any, extractor: Any, n_samples: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = encoder.conv1, encoder.conv2
        self.hop, self.n_samples, self.rate = (
            extractor.hop_length, n_samples, extractor.sampling_rate,
        )  # fmt: skip
        filters = torch.as_tensor(extractor.mel_filters, dtype=torch.float32).T.contiguous()
        self.register_buffer("filters", filters)
        self.register_buffer("window", torch.hann_window(extractor.n_fft))

    def forward(self, clips: Tensor) -> Tensor:
        """Return (clip, channel, frame) of waveforms (clip, sample).

        Raises
        ------
        ValueError
            For a clip that is longer than Whisper's 30 s.
        """
        lacking = self.n_samples - clips.shape[-1]
        if lacking < 0:
            raise ValueError(
                f"a clip has {clips.shape[-1] / self.rate:g} s, Whisper encodes "
                f"{self.n_samples / self.rate:g} s at once: choose a shorter chunk or context"
            )
        hidden = functional.gelu(self.conv1(self.log_mel(functional.pad(clips, (0, lacking)))))
        return functional.gelu(self.conv2(hidden))

    def log_mel(self, samples: Tensor) -> Tensor:
        """Return the spectrogram (clip, mel, frame), at most 80 dB below the clip's loudest."""
        spectrum = torch.stft(
            samples, self.window.numel(), self.hop, window=self.window, return_complex=True
        )
        mel = self.filters @ (spectrum[..., :-1].abs() ** 2).contiguous()
        log = mel.clamp_min(1e-10).log10()
        loudest = log.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log, loudest - 8.0) + 4.0) / 4.0


class WhisperSpeech(nn.Module):
    """The encoder of a Whisper model, called with waveforms; a decoder is dropped.

    Parameters
    ----------
    model : WhisperEncoderAlone or transformers.WhisperModel
        Its encoder is taken over.
    extractor : transformers.WhisperFeatureExtractor
    """

    def __init__(self, model: Any, extractor: Any) -> None:
        super().__init__()
        encoder, hop = model.get_encoder(), extractor.hop_length
        n_samples = encoder.config.max_source_positions * 2 * hop
        self.config = encoder.config
        # a Hann window's first sample weighs nothing: the window is odd, and centred
        self.config.conv_kernel = [extractor.n_fft - 1, 3, 3]
        self.config.conv_stride = [hop, 1, 2]
        self.config.conv_padding = [extractor.n_fft // 2 - 1, 1, 1]
        self.config.conv_fill = n_samples
        self.feature_extractor = MelStem(encoder, extractor, n_samples)
        encoder.conv1 = encoder.conv2 = nn.Identity()
        self.encoder = encoder

    def forward(self, clips: Tensor) -> Tensor:
        """Return the last hidden state (clip, frame, hidden) of waveforms (clip, sample)."""
        frames = self.feature_extractor(clips)
        hidden = frames.transpose(1, 2) + self.encoder.embed_positions.weight
        hidden = functional.dropout(hidden, self.encoder.dropout, self.training)
        for block in self.encoder.layers:
            hidden = block(hidden, None)
        last: Tensor = self.encoder.layer_norm(hidden)
        return last
