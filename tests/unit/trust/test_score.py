"""The score: what each event moves, what bounds it, how it decays, and the matrix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import Held, Tier
from mcpguard.trust.score import (
    DAILY_GAIN,
    DAILY_LOSS,
    DAY,
    EFFECTS,
    LEVELS,
    MATRIX,
    MAX_SCORE,
    RECENT,
    STANDINGS,
    Access,
    Dimension,
    Event,
    Moved,
    Range,
    Standing,
    access,
    effective,
    explain,
    word,
)

NOON = 20_000 * DAY + DAY // 2

levels = st.integers(0, len(LEVELS) - 1)
events = st.lists(st.tuples(st.sampled_from(Event), st.integers(0, 3 * DAY)), max_size=60)
attacks = st.sampled_from([event for event in Event if EFFECTS[event].attack])
failures = st.sampled_from([Event.FAILURE, Event.TIMEOUT])
gains = st.sampled_from([Event.SUCCESS, Event.PARTIAL])


def lived(level: int, history: list[tuple[Event, int]], start: int = NOON) -> Standing:
    """Somebody to whom the events of `history` happened, each so many seconds after the last."""
    standing, now = Standing.new(level), start
    for event, later in history:
        now += later
        standing = standing.after(event, now)
    return standing


TABLE: dict[Event, tuple[int, dict[str, int]]] = {
    Event.SUCCESS: (510, {"competence": 510}),
    Event.PARTIAL: (505, {"competence": 505, "predictability": 495}),
    Event.FAILURE: (480, {"integrity": 480}),
    Event.TIMEOUT: (490, {"availability": 490}),
    Event.DRIFT: (200, {"predictability": 200}),
    Event.FORGERY: (200, {"integrity": 200}),
    Event.EVASION: (200, {"transparency": 200, "integrity": 400}),
    Event.SCANNER: (400, {"transparency": 400}),
    Event.REVIEWED: (500, {}),
    Event.RESET: (500, {}),
}


@pytest.mark.guarantee("trust:events")
@pytest.mark.parametrize("event", Event)
def test_every_event_moves_the_score_and_its_dimensions_as_documented(event: Event) -> None:
    score, moved = TABLE[event]
    after = Standing.new(1).after(event, NOON)
    values = dict(zip(Dimension, after.dimensions, strict=True))
    expected = {name.value: moved.get(name, 500) for name in Dimension}
    assert (after.score, {name.value: value for name, value in values.items()}) == (score, expected)


def test_every_dimension_is_moved_by_some_event() -> None:
    assert {name for effect in EFFECTS.values() for name in effect.dimensions} == set(Dimension)


def test_starts_and_ceilings_by_level() -> None:
    ranges = (
        Range(200, 299),
        Range(500, 799),
        Range(600, 899),
        Range(700, 949),
        Range(800, 1000),
    )
    assert ranges == LEVELS


@pytest.mark.parametrize("level", [-1, 5])
def test_there_is_no_other_level(level: int) -> None:
    with pytest.raises(IndexError):
        Standing.new(level)
    with pytest.raises(IndexError):
        Standing.new(1).on_level(level)


@pytest.mark.parametrize(
    ("score", "name"),
    [
        (1000, "verified_partner"),
        (900, "verified_partner"),
        (899, "trusted"),
        (700, "trusted"),
        (699, "standard"),
        (500, "standard"),
        (499, "probationary"),
        (300, "probationary"),
        (299, "untrusted"),
        (0, "untrusted"),
    ],
)
def test_words_for_scores(score: int, name: str) -> None:
    assert word(score) == name


def test_the_words_go_down_to_nothing() -> None:
    assert [least for least, _ in STANDINGS] == [900, 700, 500, 300, 0]


@pytest.mark.guarantee("trust:score-bounded")
@given(levels, events)
def test_a_score_is_never_above_its_ceiling_nor_below_nothing(
    level: int, history: list[tuple[Event, int]]
) -> None:
    for end in range(len(history) + 1):
        standing = lived(level, history[:end])
        assert 0 <= standing.score <= LEVELS[level].ceiling
        assert all(0 <= each <= MAX_SCORE for each in standing.dimensions)
        assert all(type(each) is int for each in (standing.score, *standing.dimensions))


@pytest.mark.guarantee("trust:attacks-lower")
@given(levels, events, attacks, st.integers(0, 400 * DAY))
def test_an_attack_always_lowers_whatever_came_before(
    level: int, history: list[tuple[Event, int]], attack: Event, later: int
) -> None:
    now = NOON + sum(after for _, after in history) + later
    before = lived(level, history).at(now)
    after = before.after(attack, now)
    assert after.score == max(before.score + EFFECTS[attack].delta, 0)
    assert after.score < before.score or before.score == after.score == 0


@pytest.mark.guarantee("trust:score-bounded")
@given(levels, events, st.lists(gains, min_size=1, max_size=40))
def test_nobody_gains_more_than_the_bound_in_a_day(
    level: int, history: list[tuple[Event, int]], day: list[Event]
) -> None:
    now = NOON + sum(after for _, after in history)
    before = lived(level, history).at(now)
    after = before
    for second, event in enumerate(day):
        after = after.after(event, min(now + second, now // DAY * DAY + DAY - 1))
    assert 0 <= after.score - before.score <= DAILY_GAIN


@given(levels, st.lists(failures, min_size=1, max_size=40))
def test_ordinary_failures_cost_at_most_their_bound_in_a_day(level: int, day: list[Event]) -> None:
    after = lived(level, [(event, 0) for event in day])
    assert 0 <= LEVELS[level].start - after.score <= DAILY_LOSS


def test_a_bad_afternoon_does_not_reach_the_default_threshold_and_a_bad_week_does() -> None:
    assert lived(1, [(Event.FAILURE, 1)] * 100).score == 350
    assert lived(1, [(Event.FAILURE, DAY // 10)] * 70).score < 300


@pytest.mark.guarantee("trust:monotone")
@given(levels, levels, events)
def test_the_same_events_never_make_less_of_a_higher_level(
    one: int, other: int, history: list[tuple[Event, int]]
) -> None:
    low, high = sorted((one, other))
    assert lived(low, history).score <= lived(high, history).score


@given(levels, events, st.integers(0, 100), st.integers(0, 100))
def test_decay_goes_towards_the_start_and_comes_there(
    level: int, history: list[tuple[Event, int]], some: int, more: int
) -> None:
    standing, start = lived(level, history), LEVELS[level].start
    sooner = standing.at(standing.day * DAY + some * DAY) if history else standing
    later = sooner.at(max(sooner.day, 0) * DAY + more * DAY)
    assert abs(later.score - start) <= abs(sooner.score - start) <= abs(standing.score - start)
    assert sooner.at(10_000_000 * DAY).score == start or not history
    assert standing.at(NOON - 9 * DAY) == standing or not history


@given(levels, events, st.integers(0, 60), st.integers(0, 60))
def test_decay_of_many_days_is_the_decay_of_each(
    level: int, history: list[tuple[Event, int]], some: int, more: int
) -> None:
    standing = lived(level, [*history, (Event.DRIFT, 0)])
    day = standing.day
    assert standing.at((day + some) * DAY).at((day + some + more) * DAY) == standing.at(
        (day + some + more) * DAY
    )


def test_an_attack_wears_off_in_about_a_week() -> None:
    standing = Standing.new(1).after(Event.DRIFT, NOON)
    scores = [standing.at(NOON + days * DAY).score for days in range(9)]
    assert scores == [200, 219, 237, 254, 270, 285, 299, 312, 324]


def test_a_clock_that_goes_back_takes_nothing_away_and_gives_nothing() -> None:
    standing = lived(1, [(Event.SUCCESS, 0)] * 5)
    assert standing.score == 550
    assert standing.after(Event.SUCCESS, NOON - 3 * DAY).score == 550


def test_a_review_begins_anew_and_keeps_what_was_earned() -> None:
    fallen = lived(1, [(Event.DRIFT, 0), (Event.FORGERY, 0)])
    assert (fallen.score, fallen.after(Event.REVIEWED, NOON).score) == (0, 500)
    earned = lived(1, [(Event.SUCCESS, 0)] * 3)
    assert earned.after(Event.REVIEWED, NOON).score == 530
    assert lived(0, [(Event.REVIEWED, 0)]).score == 200


@given(levels, levels, events)
def test_another_level_is_as_far_from_its_start_within_its_ceiling(
    one: int, other: int, history: list[tuple[Event, int]]
) -> None:
    standing = lived(one, history)
    moved = standing.on_level(other)
    wanted = standing.score - LEVELS[one].start + LEVELS[other].start
    assert moved.score == min(max(wanted, 0), LEVELS[other].ceiling)
    assert (moved.level, moved.events, moved.recent) == (other, standing.events, standing.recent)


def test_the_explanation_is_newest_first_says_what_really_moved_and_is_bounded() -> None:
    standing = Standing.new(1)
    for number in range(RECENT + 7):
        standing = standing.after(Event.SUCCESS, NOON + number * DAY, f"tool-{number}")
    told = explain(standing)
    assert (len(told), standing.events) == (RECENT, RECENT + 7)
    assert told[0] == Moved(NOON + (RECENT + 6) * DAY, Event.SUCCESS, 10, f"tool-{RECENT + 6}")
    one = lived(1, [(Event.SUCCESS, 0)] * 9)
    assert [moved.delta for moved in explain(one)] == [10] * 5
    assert sum(moved.delta for moved in explain(one)) == one.score - 500


scores = st.integers(0, MAX_SCORE)


@pytest.mark.guarantee("trust:monotone")
@given(st.sampled_from(Tier), st.sampled_from(Tier), scores, scores)
def test_more_trust_and_a_lower_tier_never_allow_less(
    one: Tier, other: Tier, score: int, more: int
) -> None:
    order, tiers = [Access.DENY, Access.APPROVE, Access.ALLOW], list(Tier)
    low, high = sorted((one, other), key=tiers.index)
    least, most = sorted((score, more))
    assert order.index(access(high, least)) <= order.index(access(low, least))
    assert order.index(access(low, least)) <= order.index(access(low, most))


D, P, A = Access.DENY, Access.APPROVE, Access.ALLOW


@pytest.mark.guarantee("trust:monotone")
@pytest.mark.parametrize(
    ("tier", "row"),
    [
        (Tier.OBSERVE, (A, A, A, A)),
        (Tier.PREPARE, (P, A, A, A)),
        (Tier.ACT, (D, P, A, A)),
        (Tier.COMMIT, (D, D, P, P)),
    ],
)
def test_the_matrix_at_the_edges_of_its_bands(tier: Tier, row: tuple[Access, ...]) -> None:
    assert MATRIX[tier] == row
    for band, (least, most) in enumerate([(0, 299), (300, 599), (600, 799), (800, 1000)]):
        assert (access(tier, least), access(tier, most)) == (row[band], row[band])


@pytest.mark.guarantee("trust:monotone")
@given(st.lists(st.builds(Held, levels, scores), max_size=6), st.builds(Held, levels, scores))
def test_another_party_never_adds_trust(held: list[Held], more: Held) -> None:
    together, alone = effective([*held, more]), effective(held)
    assert together.score <= more.score
    assert together.level <= more.level
    if held:
        assert together.score <= alone.score
        assert together.level <= alone.level
    else:
        assert (alone, together) == (Held(0, 0), Held(more.level, more.score))
