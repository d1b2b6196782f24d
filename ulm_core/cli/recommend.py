"""The command `recommend`: what to show a user next, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, open_workspace, table_lines


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(recommend)


def recommend(
    user: Annotated[str, typer.Option(help="User id.")],
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Add a sentence and SHAP values to every item.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recommend items to a user with the promoted model (or the baseline, saying so)."""
    from ulm_core.recommend.recommender import Recommender

    recommender = Recommender.open(open_workspace(workspace))
    recommended = recommender.recommend(recommender.index.user_code(user), k)
    items: list[dict[str, Any]] = [
        {
            "item": item.item_id,
            "text": item.text,
            "score": item.score,
            "source": "repeat" if item.is_repeat else "new",
        }
        for item in recommended.items
    ]
    if explain:
        _add_reasons(items, recommender, recommended)
    answer = {
        "user": recommended.user_id,
        "stage": recommended.stage_name,
        "churn_risk": recommended.churn_risk,
        "model": str(recommended.model.name),
        "model_note": None if recommended.model.note is None else str(recommended.model.note),
        "items": items,
    }
    rows = [
        (place + 1, item["item"], f"{item['score']:.3f}", item["text"][:60], item.get("reason", ""))
        for place, item in enumerate(items)
    ]
    header = [
        f"user {recommended.user_id}: {recommended.stage_name}, churn risk {recommended.churn_risk:.1%}, "
        f"by {recommended.model.name}"
    ]
    emit(answer, as_json, [*header, *table_lines(("#", "item", "score", "text", "why"), rows)])


def _add_reasons(items: list[dict[str, Any]], recommender: Any, recommended: Any) -> None:
    from ulm_core.explain.sentences import reason
    from ulm_core.explain.shapley import explain_user

    explained = explain_user(recommender, recommended)
    for entry, explanation in zip(items, explained.items, strict=True):
        entry["reason"] = str(reason(explanation, recommended))
        entry["shap"] = {
            "base_value": explanation.base_value,
            "additivity_error": explanation.additivity_error,
            "is_exact": explanation.is_exact,
            "values": [
                {"player": str(share.player.label), "value": share.value} for share in explanation.contributions
            ],
        }
