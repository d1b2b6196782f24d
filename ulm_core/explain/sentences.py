"""One plain sentence per recommendation, from the players that speak for it most."""

from __future__ import annotations

from ulm_core.explain.players import Player
from ulm_core.explain.shapley import Contribution, Explanation
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.messages import N_, Message, message
from ulm_core.recommend.recommender import UserRecommendations

NOTICEABLE_RISK = 0.001  # a tenth of a point
NOTABLE = 0.15  # a second reason is named when it carries at least this share of what speaks for the item


def reason(explanation: Explanation, recommended: UserRecommendations) -> Message:
    """Return why an item was recommended, in one sentence.

    It says why the model scored the item so, not what causes the user to buy it.
    """
    speaking = [share for share in explanation.contributions if share.value > 0]
    total = sum(share.value for share in speaking)
    named = [share for place, share in enumerate(speaking[:2]) if place == 0 or share.value >= NOTABLE * total]
    if not named:
        return message(N_("Popular in general; nothing in this history speaks for it in particular."))
    phrases = [_phrase(share.player, explanation.item, recommended) for share in named]
    if len(phrases) == 1:
        return message(N_("Because of {first}."), first=phrases[0])
    return message(N_("Because of {first} and {second}."), first=phrases[0], second=phrases[1])


def risk_reason(explanation: Explanation, recommended: UserRecommendations) -> Message:
    """Return what moves the churn risk most away from that of a new user, in one sentence."""
    strongest = next((share for share in explanation.contributions if abs(share.value) >= NOTICEABLE_RISK), None)
    if strongest is None:
        return message(N_("Nothing in this history moves the churn risk away from that of a new user."))
    template = _raises(strongest)
    first = _phrase(strongest.player, None, recommended)
    return message(template, first=first, points=100 * abs(strongest.value))


def _raises(share: Contribution) -> str:
    if share.value > 0:
        return N_("Raised most by {first} (+{points:.1f} points).")
    return N_("Lowered most by {first} (−{points:.1f} points).")


def _phrase(player: Player, item: int | None, recommended: UserRecommendations) -> Message:
    if player.kind == "stage":
        return message(N_("the stage “{stage}”"), stage=message(recommended.stage_name))
    if player.kind == "other":
        return message(N_("{n} events with other items"), n=player.n_events)
    ago = _ago(player, recommended)
    if player.kind == "item" and player.item == item:
        return message(_own_template(player), n=player.n_events, ago=ago)
    return message(N_("{n} × “{name}” (last {ago})"), n=player.n_events, name=player.label.fields["name"], ago=ago)


def _own_template(player: Player) -> str:
    if player.n_events == 1:
        return N_("one earlier choice of this very item ({ago})")
    return N_("{n} earlier choices of this very item (last {ago})")


def _ago(player: Player, recommended: UserRecommendations) -> Message:
    days = int((recommended.at_us - int(recommended.history.time[player.positions].max())) // DAY_US)
    spelled = {0: message(N_("today")), 1: message(N_("yesterday"))}
    return spelled.get(days) or message(N_("{days} days ago"), days=days)
