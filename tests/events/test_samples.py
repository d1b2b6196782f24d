import pandas as pd
import pytest

from ulm_core.errors import NotFoundError, UlmError
from ulm_core.events.complete_journey import item_texts
from ulm_core.events.samples import get_sample, package_dir, samples


def test_every_sample_says_what_it_is_and_under_which_terms() -> None:
    assert list(samples()) == ["complete-journey", "movielens-100k", "cdnow", "simulated-shop"]
    assert all(str(sample.description) and str(sample.licence) for sample in samples().values())


def test_an_unknown_sample_is_refused_with_the_known_names() -> None:
    with pytest.raises(NotFoundError, match="Did you mean: movielens-100k"):
        get_sample("movielens")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(UlmError, match="no_such_package"):
        package_dir("no_such_package")


def test_item_text_leaves_out_absent_and_repeated_parts() -> None:
    product = {
        "product_type": ["BREAD"], "product_category": ["BREAD"], "department": ["PASTRY"],
        "brand": ["Private"], "package_size": [None],
    }  # fmt: skip
    assert item_texts(pd.DataFrame(product)).tolist() == ["bread, pastry, private brand"]


@pytest.mark.parametrize(("name", "rows", "users"), [("movielens-100k", 100_000, 943), ("cdnow", 69_659, 23_570)])
def test_small_samples_hold_what_they_promise(name: str, rows: int, users: int) -> None:
    events = pd.concat([table.to_pandas() for table in get_sample(name).read().events()])
    assert (len(events), events["user"].nunique()) == (rows, users)
