"""Item text features during training: frozen, or adapted by LoRA a few texts at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ulm_core.model.histories import F32, I64
from ulm_core.model.text import BATCH_TEXTS, load_encoder, pooled, text_batches
from ulm_core.training.progress import Progress

_TARGETS = {"bert": ["query", "value"], "gpt2": ["c_attn"]}


class TextSource:
    """Frozen features: the network's own copy is used, nothing is learnt.

    LoRA is the subclass; both share this interface.
    """

    def for_step(self, items: Tensor, targets: Tensor) -> Tensor | None:
        """Return the text features for a step, or None to use the network's frozen ones."""
        return None

    def parameters(self) -> Sequence[nn.Parameter]:
        """Return what the optimiser trains beside the network."""
        return ()

    def refresh(self, progress: Progress) -> None:
        """Bring cached features up to date; called between epochs and at the end."""

    def adapter(self) -> dict[str, Tensor]:
        """Return the trained adapter's tensors (LoRA), else nothing."""
        return {}


class LoraText(TextSource):
    """Adapts the text encoder by low-rank matrices.

    Encoding every text with gradient in each step would cost minutes, so a step re-encodes a bounded
    random subset of the texts its batch touches; the others come from a cache that is refreshed between
    epochs. Gradients therefore reach the adapter through the subset only (an unbiased choice of texts).

    Parameters
    ----------
    encoder
        Name of the encoder.
    texts
        Distinct texts, in the order of the network's `text` rows.
    network_text
        The network's buffer of features, float[n_texts, width]; updated in place by `refresh`.
    text_row
        int64[n_items], row of each catalogue item's text.
    rank, per_step, seed
        LoRA rank; texts re-encoded a step; seed of the choice.
    """

    def __init__(
        self,
        encoder: str,
        texts: Sequence[str],
        network_text: Tensor,
        text_row: I64,
        *,
        rank: int,
        per_step: int,
        seed: int,
    ) -> None:
        from peft import LoraConfig, get_peft_model

        self.tokenizer, base = load_encoder(encoder)
        targets = _TARGETS.get(base.config.model_type, "all-linear")
        lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, lora_dropout=0.0)
        self.model: Any = get_peft_model(base, lora).to(network_text.device)
        self.texts, self.cache, self.text_row = list(texts), network_text, text_row
        self.per_step = per_step
        self.rng = np.random.default_rng(seed)

    def parameters(self) -> Sequence[nn.Parameter]:
        """Return the LoRA matrices."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def for_step(self, items: Tensor, targets: Tensor) -> Tensor | None:
        """Return cached features with a subset of the batch's texts encoded afresh, with gradient."""
        touched = torch.cat([items.flatten() - 1, targets]).cpu().numpy()
        rows = np.unique(self.text_row[touched[touched >= 0]])
        if not len(rows):
            return None
        chosen = self.rng.choice(rows, min(self.per_step, len(rows)), replace=False)
        fresh = self._encode([self.texts[row] for row in chosen], with_gradient=True)
        place = torch.from_numpy(chosen).to(self.cache.device)
        return self.cache.index_put((place,), fresh.to(self.cache.dtype))

    def refresh(self, progress: Progress) -> None:
        """Encode every text with the adapter as it is now."""
        progress.log(f"Encoding {len(self.texts)} item texts with the adapted encoder")
        with torch.no_grad():
            fresh = self._encode(self.texts, with_gradient=False)
        self.cache.copy_(fresh)

    def adapter(self) -> dict[str, Tensor]:
        """Return the LoRA matrices by name."""
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self.model)
        return {name: value.detach().cpu().contiguous() for name, value in state.items()}

    def _encode(self, texts: list[str], *, with_gradient: bool) -> Tensor:
        self.model.train(with_gradient)
        out = [torch.empty(0)] * len(texts)
        for positions, inputs in text_batches(self.tokenizer, texts, BATCH_TEXTS):
            placed = {name: tensor.to(self.cache.device) for name, tensor in inputs.items()}
            for position, vector in zip(positions, pooled(self.model, placed), strict=True):
                out[position] = vector
        return torch.stack(out)


def distinct_texts(texts: Sequence[str]) -> tuple[list[str], I64]:
    """Return the distinct texts and the row of each text among them."""
    names, rows = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return [str(name) for name in names], rows.astype(np.int64)


def no_text(n_items: int) -> tuple[F32, I64]:
    """Return features of width 0: items without text."""
    return np.zeros((1, 0), np.float32), np.zeros(n_items, np.int64)
