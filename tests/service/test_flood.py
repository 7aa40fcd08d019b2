"""A flood of made-up hosts: known domains keep their rows, and every request counts."""

from collections import Counter

from tests.support.served import Served, record, served

REAL = [f"www{number}.example" for number in range(5)]


async def requests(service: Served) -> list[Counter[str]]:
    """Return the requests by domain of every entry."""
    return [
        Counter({name: row["requests"] for name, row in entry["aggregated"].items()})
        for entry in await service.entries()
    ]


async def test_made_up_hosts_do_not_take_the_rows_of_known_domains() -> None:
    async with served({"window": {"max_domains": 20}}) as service:
        for second in range(25):
            await service.to(second)
            made_up = [record(second, domain=f"{second}-{number}.example") for number in range(1000 * (second > 10))]
            real = [record(second, domain=domain) for domain in REAL]
            for push in (made_up[:500], made_up[500:], real, real):
                await service.push(*push)
        await service.to(30)
        entries = await requests(service)

    assert len(entries) == 25
    for second, entry in enumerate(entries):
        assert {domain: entry[domain] for domain in REAL} == dict.fromkeys(REAL, 2)
        assert entry.total() == 10 + (1000 if second > 10 else 0)
        assert len(entry) <= 20 + 5 + 1
        assert (entry["_other"] > 900) == (second > 10)
