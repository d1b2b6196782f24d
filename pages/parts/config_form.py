"""The form of a fine-tuning, built from the settings class: a new field there is a new field here."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from pages.parts.i18n import N_, _
from ulm_core.errors import InputError
from ulm_core.training.config import PRESETS, FineTuneConfig

MAIN = ("name", "tower", "text_mode", "alpha", "beta", "max_steps")
LABELS = {
    "name": N_("Name"),
    "tower": N_("User tower"),
    "text_mode": N_("Item text"),
    "text_encoder": N_("Text encoder"),
    "alpha": N_("Weight of churn (alpha)"),
    "beta": N_("Weight of recommendation (beta)"),
    "recommendation_loss": N_("Recommendation loss"),
    "negatives": N_("Negatives a step"),
    "optimizer": N_("Optimiser"),
    "learning_rate": N_("Learning rate"),
    "head_rate_factor": N_("Rate of small nets"),
    "weight_decay": N_("L2 penalty"),
    "dropout": N_("Dropout"),
    "id_dropout": N_("Dropout of item ids"),
    "gradient_clip": N_("Gradient clip"),
    "batch_size": N_("Batch size"),
    "max_steps": N_("Most steps"),
    "evaluate_every": N_("Steps between validations"),
    "patience": N_("Patience"),
    "refit_share": N_("Refit share"),
    "width": N_("Width"),
    "blocks": N_("Blocks"),
    "length": N_("Events read"),
    "use_stages": N_("Condition on stages"),
    "use_ids": N_("Learn item ids"),
    "repeats": N_("Repeat purchases"),
    "horizon_days": N_("Prediction horizon (days)"),
    "churn_horizon_days": N_("Churn horizon (days)"),
    "every_days": N_("Days between moments"),
    "warm_up_days": N_("Warm-up (days)"),
    "test_share": N_("Share kept for the test"),
    "validation_days": N_("Validation (days)"),
    "min_item_users": N_("Buyers an item needs"),
    "lora_rank": N_("LoRA rank"),
    "lora_texts": N_("LoRA texts a step"),
    "seed": N_("Seed"),
    "device": N_("Device"),
}
OPTIONS = {
    "transformer": N_("Transformer"),
    "lstm": N_("LSTM"),
    "cnn": N_("CNN"),
    "linear": N_("Linear"),
    "frozen": N_("Frozen features"),
    "lora": N_("LoRA"),
    "none": N_("No text"),
    "auto": N_("Automatic"),
    "on": N_("On"),
    "off": N_("Off"),
}


def label_of(name: str) -> str:
    """Return a setting's name in words."""
    return _(LABELS[name]) if name in LABELS else name.replace("_", " ").capitalize()


def option_of(value: object) -> str:
    """Return a choice in words."""
    return _(OPTIONS[str(value)]) if str(value) in OPTIONS else str(value)


def limits(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the smallest and largest value a number may take; open bounds are left to validation."""
    low = next((float(rule.ge) for rule in field.metadata if isinstance(rule, Ge)), None)  # type: ignore[arg-type]
    if low is None:
        low = next((float(rule.gt) for rule in field.metadata if isinstance(rule, Gt)), None)  # type: ignore[arg-type]
    high = next((float(rule.le) for rule in field.metadata if isinstance(rule, Le)), None)  # type: ignore[arg-type]
    if high is None:
        high = next((float(rule.lt) for rule in field.metadata if isinstance(rule, Lt)), None)  # type: ignore[arg-type]
    return low, high


def _plain_type(field: FieldInfo) -> tuple[Any, bool]:
    """Return a field's type without None, and whether None is allowed."""
    annotation = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return parts[0], True
    return annotation, False


def _choice(name: str, field: FieldInfo, options: list[Any]) -> Any:
    draw = st.segmented_control if len(options) <= 4 and name in MAIN else None
    shared: dict[str, Any] = {"format_func": option_of, "key": f"train_{name}", "help": _(field.description or "")}
    if draw is not None:
        return draw(label_of(name), options, required=True, **shared)
    return st.selectbox(label_of(name), options, **shared)


def _number(name: str, field: FieldInfo, kind: type, optional: bool) -> float | int | None:
    low, high = limits(field)
    decimals = kind is float
    value = st.number_input(
        label_of(name),
        min_value=None if low is None else kind(low),
        max_value=None if high is None else kind(high),
        **({"value": None} if optional else {}),
        format="%g" if decimals else None,
        step=_step(field.default) if decimals else 1,
        key=f"train_{name}",
        help=_(field.description or ""),
        placeholder=_("learnt from the data") if optional else None,
    )
    return None if value is None else kind(value)


def _step(default: object) -> float:
    size = abs(float(default)) if isinstance(default, int | float) and default else 0.1
    return float(f"{size / 2:.0e}") if size < 0.1 else 0.1


def draw_field(name: str) -> Any:
    """Draw one setting as the widget that fits its type and return its value."""
    field = FineTuneConfig.model_fields[name]
    # The session holds the default too: a widget may not have both a default and a value that a preset has set.
    st.session_state.setdefault(f"train_{name}", field.default)
    kind, optional = _plain_type(field)
    if get_origin(kind) is Literal:
        return _choice(name, field, list(get_args(kind)))
    if kind is bool:
        return st.toggle(label_of(name), key=f"train_{name}", help=_(field.description or ""))
    if kind in (int, float):
        return _number(name, field, kind, optional)
    most = next((rule.max_length for rule in field.metadata if isinstance(rule, MaxLen)), None)
    return st.text_input(label_of(name), max_chars=most, key=f"train_{name}", help=_(field.description or ""))


def build(values: dict[str, Any]) -> FineTuneConfig:
    """Return the settings, or say which one is wrong.

    Raises
    ------
    InputError
        When a value is out of its limits or settings do not go together.
    """
    try:
        return FineTuneConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InputError(
            N_("These settings cannot be used. {setting} {reason}"),
            setting=f"{label_of(name)}:" if name else "",
            reason=first["msg"],
        ) from error


PRESET_NAMES = {"quick": N_("Quick"), "balanced": N_("Balanced"), "best": N_("Best")}


def _chose_preset() -> None:
    """Set every field to what the preset says; runs before the form is drawn."""
    chosen = FineTuneConfig.model_validate(PRESETS[st.session_state["train_preset"]])
    for name in FineTuneConfig.model_fields:
        if name != "name":
            st.session_state[f"train_{name}"] = getattr(chosen, name)


def draw_presets() -> None:
    """Draw the starting points; one sets all fields, each can be changed afterwards."""
    st.segmented_control(
        _("Preset"),
        list(PRESETS),
        default="balanced",
        required=True,
        format_func=lambda name: _(PRESET_NAMES[name]),
        key="train_preset",
        on_change=_chose_preset,
        help=_(
            "Quick: a linear tower and few steps, to see that it runs. Balanced: the defaults, whose results are "
            "published. Best: three times the steps, a longer memory, a lower learning rate."
        ),
    )


def draw_form(*, columns: int = 1) -> FineTuneConfig | None:
    """Draw the form in so many columns; return the settings once it was sent."""
    draw_presets()
    with st.form("train_form", border=False):
        with st.grid(columns, min_column_width=230, gap="small"):
            values = {name: draw_field(name) for name in MAIN}
        with st.expander(_("All settings"), icon=":material/tune:"), st.grid("auto", min_column_width=190, gap="small"):
            values |= {name: draw_field(name) for name in FineTuneConfig.model_fields if name not in MAIN}
        sent = st.form_submit_button(_("Start fine-tuning"), type="primary", icon=":material/play_arrow:")
    return build(values) if sent else None
