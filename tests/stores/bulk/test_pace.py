"""The limit is kept, others have their turn, and a server that answers slowly is asked more slowly; a clock of our own."""

from __future__ import annotations

from feast_skew.stores.redis.pace import Pace

KIND = "ten fields"


class Server:
    """Takes so long for a command, and its answers for the way; time passes only when somebody sleeps or waits for it."""

    def __init__(self, each: float, way: float = 0.0) -> None:
        self.now = 100.0
        self.each = each
        self.way = way
        self.idle_from = 100.0
        self.gaps: list[float] = []
        self.turns: list[float] = []
        self.asked = 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def answer(self, pace: Pace, commands: int, kind: str = KIND, stall: float = 0.0) -> None:
        pace.admit(commands)
        sent = self.now
        begin = sent + self.way / 2
        self.gaps.append(begin - self.idle_from)
        self.turns.append(commands * self.each + stall)
        self.idle_from = begin + self.turns[-1]
        self.now = self.idle_from + self.way / 2
        self.asked += commands
        pace.answered(kind, commands, sent, self.now)

    def ask(self, pace: Pace, commands: int, kind: str = KIND) -> float:
        """Ask for so many commands in turns; give how many a second that were."""
        begin, before = self.now, self.asked
        while self.asked < before + commands:
            self.answer(pace, pace.turn(kind), kind)
        return (self.asked - before) / (self.now - begin)


def test_no_more_commands_than_allowed() -> None:
    server = Server(2e-6)
    pace = Pace(50_000, server, server.sleep)
    assert 49_000 < server.ask(pace, 100_000) < 50_500  # the last turn is not waited for
    assert pace.slowest == 1.0


def test_without_a_limit_nothing_waits() -> None:
    server = Server(1e-3)
    pace = Pace(None, server, server.sleep)
    for stall in (0.0, 1.0, 5.0):
        server.answer(pace, 1_000, stall=stall)
    assert abs(server.now - 109.0) < 1e-6
    assert not pace.is_limited
    assert pace.turn(KIND) == pace.turn("another") > 10**6
    assert pace.slowest == 1.0


def test_nobody_waits_for_long_and_the_server_is_free_for_a_quarter_of_the_time() -> None:
    for each in (1e-6, 4e-6, 12e-6, 50e-6):
        server = Server(each)
        pace = Pace(1e9, server, server.sleep)
        server.ask(pace, 20_000)
        assert max(server.turns) <= max(280e-6, 32 * each + 1e-9), each
        # The time of one command counts as the way there.
        assert sum(server.gaps) >= sum(server.turns[:-1]) / 3 - 2 * each * len(server.turns), each


def test_the_way_to_a_distant_server_is_no_work_of_it() -> None:
    """Two milliseconds away: as many commands go there at once as to one nearby, and it need not rest any longer."""
    server = Server(4e-6, way=2e-3)
    pace = Pace(1e9, server, server.sleep)
    assert server.ask(pace, 20_000) > 25_000
    assert max(server.turns) <= 280e-6


def test_a_kind_that_costs_more_is_no_slowness() -> None:
    server = Server(1e-6)
    pace = Pace(1e9, server, server.sleep)
    server.ask(pace, 20_000, "one field")
    server.each = 30e-6
    server.ask(pace, 20_000, "whole hashes")
    assert pace.slowest == 1.0
    assert max(server.turns[-100:]) <= 280e-6


def test_a_server_that_grows_slow_is_asked_more_slowly_and_again_faster_when_it_recovers() -> None:
    server = Server(4e-6)
    pace = Pace(50_000, server, server.sleep)
    usual = server.ask(pace, 20_000)
    server.each *= 100
    slow = server.ask(pace, 1_000)
    assert pace.slowest < 0.1
    assert slow < usual / 20
    server.each /= 100
    server.ask(pace, 5_000)
    assert server.ask(pace, 20_000) > 0.95 * usual


def test_a_stall_now_and_then_is_no_sign() -> None:
    """Whoever shares a core is put aside for some milliseconds at times."""
    server = Server(4e-6)
    pace = Pace(50_000, server, server.sleep)
    server.ask(pace, 20_000)
    for stall in (1.0, *(0.0, 0.005, 0.001, 0.0, 0.0, 0.0, 0.020, 0.002, 0.0, 0.0, 0.0, 0.0, 0.0) * 10):
        server.answer(pace, pace.turn(KIND), stall=stall)
    assert pace.slowest > 0.25
    assert server.ask(pace, 50_000) > 45_000


def test_a_first_answer_that_was_slow_is_no_measure() -> None:
    """Then the way seems long, and the commands that follow seem to cost nothing."""
    server = Server(4e-6)
    pace = Pace(50_000, server, server.sleep)
    server.answer(pace, 1, stall=0.001)
    server.ask(pace, 20_000)
    assert pace.slowest == 1.0


def test_a_low_limit_is_kept_within_any_second() -> None:
    server = Server(4e-6)
    pace = Pace(50, server, server.sleep)
    begin = server.now
    while server.now < begin + 1.0:
        server.answer(pace, pace.turn(KIND))
    assert server.asked <= 56
    assert pace.burst == 5
    assert Pace(1).burst == 1
