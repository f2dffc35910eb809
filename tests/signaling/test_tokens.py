"""A session outlives its token if there is a fresh one in time."""

from __future__ import annotations

import time

import pytest
import trio
import trio.testing

from trio_rtc import SignalingError, open_signaling
from trio_rtc.errors import SignalingLost
from trio_rtc.server.authorize import Admission, JoinRequest, NotAuthorized
from trio_rtc.signaling.tokens import RETRY_SECONDS, TokenRenewal

from ..server.harness import tcp_server


class Issuer:
    """Issues tokens that are good for a second, and admits by them."""

    def __init__(self) -> None:
        self.issued = 0
        self.shown: list[str | None] = []
        self.renewed = trio.Event()

    def __call__(self) -> str:
        self.issued += 1
        return f"token {self.issued}"

    async def later(self) -> str:
        await trio.lowlevel.checkpoint()
        return self()

    async def authorize(self, request: JoinRequest) -> Admission:
        if request.token in self.shown:
            raise NotAuthorized("The token has been used.")
        self.shown.append(request.token)
        if len(self.shown) == 3:
            self.renewed.set()
        return Admission(name=request.name, room=request.room, until=time.time() + 1)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_gives_fresh_tokens(is_async: bool) -> None:
    issuer = Issuer()
    source = issuer.later if is_async else issuer
    with trio.fail_after(60):
        async with tcp_server(authorize=issuer.authorize) as port:
            url = f"ws://127.0.0.1:{port}"
            async with open_signaling(url, name="alice", token=source) as signaling:
                await issuer.renewed.wait()
                await signaling.send(signaling.peer_id, "still here")
                async for event in signaling:
                    assert getattr(event, "data", None) == b"still here"
                    break
    assert issuer.shown[:3] == ["token 1", "token 2", "token 3"]


async def test_a_text_ends_with_the_session() -> None:
    issuer = Issuer()
    with trio.fail_after(60):
        async with tcp_server(authorize=issuer.authorize) as port:
            url = f"ws://127.0.0.1:{port}"
            async with open_signaling(url, name="alice", token="one") as signaling:
                with pytest.raises(SignalingLost) as lost:
                    async for _ in signaling:
                        pass
    assert lost.value.code == "not_authorized"
    assert "expired" in str(lost.value)


@pytest.mark.parametrize("token", ["\ud800", lambda: "\ud800", lambda: 7, lambda: None])
async def test_what_is_no_token(token: object) -> None:
    with pytest.raises(SignalingError, match="no text") as error:
        async with open_signaling("ws://127.0.0.1:1", name="alice", token=token):  # type: ignore[arg-type]
            pass
    assert error.value.code == "bad_token"


async def test_when_tokens_are_shown(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    shown: list[tuple[float, str]] = []
    began = trio.current_time()

    def give() -> str:
        if len(shown) == 2:
            shown.append((trio.current_time() - began, "nothing"))
            raise OSError("the issuer is down")
        return f"{len(shown)}"

    renewal = TokenRenewal(give, lambda token: shown.append((trio.current_time() - began, token)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(renewal.run)
        await trio.sleep(1000)
        assert not shown
        renewal.good_for(300)
        await trio.sleep(271)
        assert shown == [(1270.0, "0")]
        renewal.good_for(30)
        # Nobody answers: it is tried again, by another token.
        await trio.sleep(20 + 2 * RETRY_SECONDS + 1)
        assert [when for when, _ in shown[1:]] == [1291.0, 1301.0, 1311.0]
        assert "the issuer is down" in caplog.text
        renewal.good_for(None)
        await trio.sleep(1000)
        assert len(shown) == 4
        nursery.cancel_scope.cancel()
