"""Every setting of a fine-tuning, with default, limits and meaning; forms and CLI are built from it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ulm_core.model.names import RecommendationLoss, TowerName

#: Starting points: what each changes of the defaults. "balanced" is the defaults, measured in docs/benchmarks.md.
PRESETS: dict[str, dict[str, object]] = {
    "quick": {"tower": "linear", "max_steps": 120, "evaluate_every": 30, "patience": 2, "length": 32},
    "balanced": {},
    "best": {"max_steps": 1200, "evaluate_every": 100, "patience": 5, "learning_rate": 1e-3, "length": 100},
}


class FineTuneConfig(BaseModel):
    """Settings of one fine-tuning; a run record stores it whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=80, description="Name of the run; empty: made from tower and text mode.")
    tower: TowerName = Field("transformer", description="How a user's last events are read.")
    text_mode: Literal["frozen", "lora", "none"] = Field(
        "frozen", description="Item text: frozen encoder features, encoder adapted by LoRA, or no text."
    )
    text_encoder: str = Field("", description="Text encoder; empty: the setting text_encoder.")
    alpha: float = Field(1.0, ge=0, le=100, description="Weight of the churn loss.")
    beta: float = Field(1.0, ge=0, le=100, description="Weight of the recommendation loss.")
    recommendation_loss: RecommendationLoss = Field(
        "bernoulli",
        description="bernoulli: probability of each purchase; softmax: which items, given that one buys; "
        "sampled-softmax, gbce, bpr: against a sample of items, for very large catalogues.",
    )
    negatives: int = Field(512, ge=1, le=100_000, description="Items drawn a step by the sampled losses.")
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="Optimiser.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Peak learning rate of tower and item vectors.")
    head_rate_factor: float = Field(
        4.0, gt=0, le=100, description="Learning rate of the small nets (repeats, churn) relative to the tower's."
    )
    weight_decay: float = Field(1e-3, ge=0, le=10, description="L2 penalty (decoupled for AdamW).")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of activations dropped in the tower.")
    id_dropout: float = Field(0.3, ge=0, lt=1, description="Share of item ids dropped in a step, so that text counts.")
    gradient_clip: float = Field(1.0, gt=0, le=1000, description="Largest norm of the gradient.")
    batch_size: int = Field(128, ge=1, le=8192, description="Examples (user, moment) in a step.")
    max_steps: int = Field(400, ge=1, le=1_000_000, description="Most optimiser steps.")
    evaluate_every: int = Field(50, ge=1, le=100_000, description="Steps between validations.")
    patience: int = Field(4, ge=1, le=1000, description="Validations without improvement before stopping early.")
    refit_share: float = Field(
        0.5, ge=0, le=1, description="Steps after validation, as a share, that also learn from the validation period."
    )
    width: int = Field(64, ge=8, le=1024, multiple_of=8, description="Width of vectors.")
    blocks: int = Field(2, ge=1, le=12, description="Blocks of the transformer tower.")
    length: int = Field(64, ge=1, le=512, description="Most recent events a tower reads.")
    use_stages: bool = Field(True, description="Condition the model on the lifecycle stage.")
    use_ids: bool = Field(True, description="Learn a vector per item beside its text.")
    repeats: Literal["auto", "on", "off"] = Field(
        "auto", description="Model repeat purchases; auto: when at least 5% of purchases repeat an earlier one."
    )
    horizon_days: int = Field(28, ge=1, le=365, description="Purchases within so many days are what is predicted.")
    churn_horizon_days: int | None = Field(
        None, ge=1, le=730, description="No activity for so many days is churn; empty: learnt from the log."
    )
    every_days: int = Field(7, ge=1, le=90, description="Days between the moments a user is an example at.")
    warm_up_days: int = Field(42, ge=1, le=365, description="First days of the log, history only.")
    test_share: float = Field(0.2, gt=0, lt=0.9, description="Last share of the log's time span, kept for the test.")
    validation_days: int = Field(56, ge=1, le=365, description="Days before the test kept for early stopping.")
    min_item_users: int = Field(10, ge=1, le=100_000, description="Items with at least so many buyers are scored.")
    lora_rank: int = Field(8, ge=1, le=128, description="Rank of the LoRA matrices.")
    lora_texts: int = Field(48, ge=1, le=1024, description="Item texts re-encoded with gradient in a step.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train; auto: CUDA where present.")

    @model_validator(mode="after")
    def _some_objective(self) -> FineTuneConfig:
        if self.alpha == 0 and self.beta == 0:
            raise ValueError("alpha and beta cannot both be 0: there would be nothing to learn")
        if self.text_mode == "none" and not self.use_ids:
            raise ValueError("without text, items need ids: set use_ids or another text_mode")
        return self

    def differing(self, other: FineTuneConfig) -> dict[str, tuple[object, object]]:
        """Return the settings that are not those of `other`, in the order of the form; the name is none.

        Returns
        -------
        dict
            Setting -> (value here, value of `other`).
        """
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in type(self).model_fields}
        return {name: pair for name, pair in pairs.items() if name != "name" and pair[0] != pair[1]}

    @property
    def title(self) -> str:
        """Name of the run, made up where none was given."""
        return self.name or f"{self.tower}, {self.text_mode} text"
