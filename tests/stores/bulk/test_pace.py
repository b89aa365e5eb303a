"""The limit is kept, and a server that answers slowly is asked more slowly; with a clock of our own."""

from __future__ import annotations

from feast_skew.stores.redis.pace import Pace


class Clock:
    """Time that passes only when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.slept += seconds


def ask(pace: Pace, clock: Clock, commands: int, seconds: float) -> None:
    pace.admit(commands)
    sent = clock.now
    clock.now += seconds
    pace.answered(commands, sent, clock.now)


def test_no_more_commands_than_allowed() -> None:
    clock = Clock()
    pace = Pace(50_000, clock, clock.sleep)
    for _ in range(100):
        ask(pace, clock, 1_000, 0.001)
    assert abs((clock.now - 100.0) - 99 * 0.02 - 0.001) < 1e-6
    assert pace.slowest == 1.0


def test_without_a_limit_nothing_waits() -> None:
    clock = Clock()
    pace = Pace(None, clock, clock.sleep)
    for seconds in (0.001, 1.0, 5.0):
        ask(pace, clock, 1_000, seconds)
    assert clock.slept == 0
    assert not pace.is_limited


def test_answers_are_waited_for_half_of_the_time_at_most() -> None:
    clock = Clock()
    pace = Pace(1_000_000, clock, clock.sleep)
    for _ in range(50):
        ask(pace, clock, 1_000, 0.020)
    assert abs(clock.slept - 49 * 0.020) < 1e-6


def test_a_server_that_grows_slow_is_asked_more_slowly_and_again_faster_when_it_recovers() -> None:
    clock = Clock()
    pace = Pace(100_000, clock, clock.sleep)
    for _ in range(20):
        ask(pace, clock, 1_000, 0.004)
    for _ in range(6):
        ask(pace, clock, 1_000, 0.080)
    assert pace.slowest == 1 / 16
    begin = clock.now
    ask(pace, clock, 1_000, 0.004)
    ask(pace, clock, 1_000, 0.004)
    assert clock.now - begin > 0.1  # at a 16th 1,000 commands take 0.16 s
    for _ in range(20):
        ask(pace, clock, 1_000, 0.004)
    begin = clock.now
    ask(pace, clock, 1_000, 0.004)
    assert abs(clock.now - begin - 0.010) < 1e-6


def test_a_pipeline_that_is_slow_by_little_is_no_sign() -> None:
    clock = Clock()
    pace = Pace(100_000, clock, clock.sleep)
    for seconds in (0.001, 0.010, 0.001, 0.015, 0.002) * 4:
        ask(pace, clock, 1_000, seconds)
    assert pace.slowest == 1.0
