"""Tokens: minted for one call, spent once, for a minute."""

from bridge.shell.tokens import LIFE_S, MOST, Expected, Tokens


def test_a_token_is_spent_once_for_its_call() -> None:
    tokens = Tokens()
    first, second = tokens.mint(Expected("CA1"), 0.0), tokens.mint(Expected("CA2"), 0.0)
    assert first != second
    assert tokens.spend(second, 1.0) == Expected("CA2")
    assert tokens.spend(second, 1.0) is None
    assert tokens.spend(first, LIFE_S - 0.001) == Expected("CA1")


def test_a_token_is_worth_nothing_after_its_minute() -> None:
    tokens = Tokens()
    assert tokens.spend(tokens.mint(Expected("CA1"), 0.0), LIFE_S) is None


def test_a_guess_is_worth_nothing() -> None:
    tokens = Tokens()
    tokens.mint(Expected("CA1"), 0.0)
    assert tokens.spend("", 1.0) is None
    assert tokens.spend("guess", 1.0) is None


def test_a_token_is_worth_nothing_once_its_call_is_over() -> None:
    tokens = Tokens()
    first, again, other = (tokens.mint(Expected(call), 0.0) for call in ("CA1", "CA1", "CA2"))
    tokens.forget("CA1")
    assert tokens.spend(first, 1.0) is tokens.spend(again, 1.0) is None
    assert tokens.spend(other, 1.0) == Expected("CA2")


def test_the_oldest_go_when_there_are_too_many() -> None:
    tokens = Tokens()
    minted = [tokens.mint(Expected(f"CA{n}"), 0.0) for n in range(MOST + 1)]
    assert tokens.spend(minted[0], 1.0) is None
    assert tokens.spend(minted[1], 1.0) == Expected("CA1")
    assert tokens.spend(minted[-1], 1.0) == Expected(f"CA{MOST}")


def test_the_expired_are_forgotten() -> None:
    tokens = Tokens()
    for n in range(100):
        tokens.mint(Expected(f"CA{n}"), float(n))
    tokens.mint(Expected("CA"), 1000.0)
    assert len(tokens._waiting) == 1
