"""Neighbour baselines against dense linear algebra that can be read off the papers."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from ulm_core.training.neighbours import EASE_PENALTY, TIFU_OWN_SHARE, Matrices, ease, item_knn, tifu_knn

BOUGHT = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1]], np.float32)
DECAYED = BOUGHT * np.array([[0.5, 1, 0, 0], [1, 1, 0.25, 0], [0, 0, 1, 1]], np.float32)
USERS = np.array([0, 2])
LOG = Matrices(np.array([0, 1, 2]), csr_matrix(DECAYED), csr_matrix(BOUGHT))


def test_item_knn_adds_up_cosines() -> None:
    unit = BOUGHT / np.linalg.norm(BOUGHT, axis=0)
    cosine = unit.T @ unit
    np.fill_diagonal(cosine, 0)
    np.testing.assert_allclose(item_knn(LOG)(USERS), BOUGHT[USERS] @ cosine, rtol=1e-5)


def test_ease_has_the_closed_form_and_no_item_recommends_itself() -> None:
    gram = BOUGHT.T @ BOUGHT + EASE_PENALTY * np.eye(4)
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    np.testing.assert_allclose(ease(LOG)(USERS), BOUGHT[USERS] @ weights, rtol=1e-4)


def test_tifu_knn_mixes_own_habits_with_those_of_others() -> None:
    # three users, so both others are the neighbours of each
    found = tifu_knn(LOG)(USERS)
    expected = [
        TIFU_OWN_SHARE * DECAYED[0] + (1 - TIFU_OWN_SHARE) * (DECAYED[1] + DECAYED[2]) / 2,
        TIFU_OWN_SHARE * DECAYED[2] + (1 - TIFU_OWN_SHARE) * (DECAYED[0] + DECAYED[1]) / 2,
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_log_of_one_user_is_answered() -> None:
    alone = Matrices(np.array([0]), csr_matrix(DECAYED[:1]), csr_matrix(BOUGHT[:1]))
    np.testing.assert_array_equal(tifu_knn(alone)(np.array([0])), DECAYED[:1])
