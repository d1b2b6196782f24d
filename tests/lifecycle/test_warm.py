from tests.lifecycle.logs import CONFIG, days, index_of
from ulm_core.lifecycle.warm import warm_kernels


def test_every_question_can_be_asked_of_the_smallest_log():
    assert warm_kernels(index_of(days("u", 0)), CONFIG) > 0


def test_and_of_one_without_activity():
    assert warm_kernels(index_of(days("u", 0, event="mail")), CONFIG) > 0
