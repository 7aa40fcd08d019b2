"""Rounds: those that were just answered are heard again when all are answered."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from edgetally.api import long_poll
from edgetally.http.messages import Request
from edgetally.http.pipeline import Exchange
from edgetally.http.rounds import BATCH, LONGEST, PAUSE, Rounds
from tests.support.clock import ManualClock, until
from tests.support.served import Served, record, served

CLIENTS = 100


class Client:
    """A client that is held, and then heard."""

    def __init__(self, heard: list[int], number: int) -> None:
        self._heard = heard
        self._number = number

    def handle_held(self) -> None:
        self._heard.append(self._number)


async def turns(count: int) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_round_lasts_while_every_turn_answers_somebody() -> None:
    rounds, heard = Rounds(ManualClock()), list[int]()
    assert rounds.current == 0
    for number in range(5):
        assert rounds.join() == rounds.current == 1
        rounds.hold(Client(heard, number))
        await turns(1)
    assert heard == []
    await turns(2)
    assert heard == list(range(5))
    assert rounds.current == 0
    assert rounds.join() == 2


async def test_a_round_that_does_not_end_is_ended() -> None:
    clock = ManualClock()
    rounds, heard = Rounds(clock), list[int]()
    rounds.join()
    rounds.hold(Client(heard, 0))
    for _ in range(10):
        await turns(1)
        assert rounds.join() == 1
    await clock.advance(LONGEST)
    assert heard == [0]


async def test_all_that_were_held_are_heard_before_others_are_held() -> None:
    rounds, heard = Rounds(ManualClock()), list[int]()
    rounds.join()
    for number in range(2 * BATCH + 1):
        rounds.hold(Client(heard, number))
    await turns(2)
    assert heard == list(range(BATCH))
    for batches in (2, 3):
        assert rounds.join() == 0
        await turns(1)
        assert heard == list(range(min(batches * BATCH, 2 * BATCH + 1)))
    assert rounds.join() == 2


async def test_work_that_can_wait_pauses_until_all_are_answered() -> None:
    rounds = Rounds(ManualClock())
    await rounds.pause()  # nobody is answered
    rounds.join()
    pausing = asyncio.ensure_future(rounds.pause())
    for _ in range(5):
        rounds.join()
        await turns(1)
        assert not pausing.done()
    await turns(3)
    assert pausing.done()


async def test_work_pauses_for_no_longer_than_a_part_of_a_long_round() -> None:
    clock = ManualClock()
    rounds = Rounds(clock)

    async def answer() -> None:
        while True:
            assert rounds.join() == 1
            await asyncio.sleep(0)

    answering = asyncio.ensure_future(answer())
    await turns(1)
    pausing = asyncio.ensure_future(rounds.pause())
    await clock.advance(0.9 * PAUSE)
    assert not pausing.done()
    await clock.advance(0.2 * PAUSE)
    assert pausing.done()
    await rounds.pause()
    assert not answering.done(), "the round is not over"
    answering.cancel()
    await turns(3)


class Broken:
    """A client that cannot be handled."""

    def handle_held(self) -> None:
        raise ValueError("broken")


async def test_one_that_fails_holds_up_no_other() -> None:
    rounds, heard, errors = Rounds(ManualClock()), list[int](), list[object]()
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    rounds.join()
    rounds.hold(Broken())
    rounds.hold(Client(heard, 1))
    await turns(4)
    loop.set_exception_handler(before)
    assert heard == [1]
    assert [str(error) for error in errors] == ["broken"]


@pytest.fixture
async def service() -> AsyncIterator[Served]:
    async with served() as running:
        await running.traffic([0])
        await running.to(2)
        yield running


async def test_who_asks_again_is_heard_when_all_are_answered(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    take, handle = Exchange.take, service.service.server.handler

    def note_answer(exchange: Exchange, response: object) -> None:
        if exchange.request.method == "GET":
            happened.append("answered")
        take(exchange, response)  # type: ignore[arg-type]

    def note_request(request: Request) -> object:
        if request.method == "GET":
            happened.append("asked")
        return handle(request)

    monkeypatch.setattr(long_poll, "WAKE_BATCH", 1)
    monkeypatch.setattr(Exchange, "take", note_answer)
    monkeypatch.setattr(service.service.server, "handler", note_request)

    async def poll(cursor: int) -> None:
        async with service.connect() as raw:
            for _ in range(2):
                request = b"GET /v1/domains/svc/ts/%d HTTP/1.1\r\nHost: x\r\n\r\n" % cursor
                cursor = (await raw.ask(request)).json()["Timestamp"]

    newest = (await service.get("/v1/domains/svc/ts/0"))["Timestamp"]
    clients = [asyncio.ensure_future(poll(newest)) for _ in range(CLIENTS)]
    await until(lambda: service.waiting == CLIENTS)
    happened.clear()
    await service.push(record(2))
    await service.to(4)
    await until(lambda: service.waiting == CLIENTS)
    assert happened[: 2 * CLIENTS] == ["answered"] * CLIENTS + ["asked"] * CLIENTS
    await service.push(record(4))
    await service.to(6)
    await asyncio.gather(*clients)


async def test_a_request_in_parts_is_heard_when_its_last_part_comes(service: Served) -> None:
    rounds = service.service.server.rounds

    async def never_end() -> None:
        while True:
            rounds.join()
            await asyncio.sleep(0)

    newest = (await service.get("/v1/domains/svc/ts/0"))["Timestamp"]
    get = b"GET /v1/domains/svc/ts/%d HTTP/1.1\r\nHost: x\r\n\r\n"
    async with service.connect() as raw:
        await raw.send(get % newest)
        await until(lambda: service.waiting == 1)
        never = asyncio.ensure_future(never_end())
        await service.push(record(2))
        await service.to(4)
        answer = (await raw.answer()).json()
        again = get % newest
        await raw.send(again[:20])
        await turns(20)
        await raw.send(again[20:])
        assert (await raw.answer()).json() == answer
        never.cancel()
