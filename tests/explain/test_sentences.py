from pathlib import Path

from tests.explain.fakes import recommender
from ulm_core.explain.sentences import reason, risk_reason
from ulm_core.explain.shapley import explain_user
from ulm_core.timeline.index import History


def test_the_sentence_names_what_speaks_for_the_item(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    recommended = shop.recommend(0, k=3)
    explained = explain_user(shop, recommended)
    assert str(reason(explained.items[0], recommended)).startswith(
        "Because of 2 earlier choices of this very item (last 12 days ago)"
    )


def test_popular_items_are_called_popular(tmp_path: Path) -> None:
    def popular(history: History, stage: int) -> tuple[list[float], float]:
        return [3.0, 2.0, 1.0], 0.2

    shop = recommender(tmp_path, popular)
    recommended = shop.recommend(0, k=1)
    explained = explain_user(shop, recommended)
    assert str(reason(explained.items[0], recommended)).startswith("Popular in general")
    assert str(risk_reason(explained.churn, recommended)).startswith("Nothing in this history")


def test_the_risk_sentence_says_which_way_it_moves(tmp_path: Path) -> None:
    shop = recommender(tmp_path)
    recommended = shop.recommend(0, k=3)
    text = str(risk_reason(explain_user(shop, recommended).churn, recommended))
    assert text.startswith("Lowered most by 2 × “tea, drinks”")
    assert "20.0 points" in text  # two events of 0.1 each
