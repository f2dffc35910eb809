"""The robot's page in a browser: the stick is moved with a mouse, and the robot goes there."""

from __future__ import annotations

from functools import partial

import trio

from ..browser.conftest import chromium as chromium
from ..peerjs.chromium import open_browser
from .programs import program


async def test_the_stick_moves_the_robot(chromium: str) -> None:
    module = program("robot")
    robot = module.Robot()
    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            url: str = await nursery.start(partial(module.serve, robot, 0))
            async with open_browser(chromium) as browser:
                page = await browser.open_page(url)
                await page.run(
                    "while (document.querySelector('#state').textContent !== 'connected'"
                    " || !document.querySelector('video').videoWidth)"
                    " await new Promise((resolve) => setTimeout(resolve, 20))"
                )
                x, y, width = await page.run(
                    "const stick = document.querySelector('#stick'); stick.scrollIntoView();"
                    " const box = stick.getBoundingClientRect();"
                    " return [box.x, box.y, box.width]"
                )
                where = {"x": x + width - 5, "y": y + width / 2, "button": "left", "buttons": 1}
                mouse = partial(browser.command, "Input.dispatchMouseEvent", page.session)
                await mouse(type="mousePressed", clickCount=1, **where)
                while robot.x < module.SIZE - 30:  # noqa: ASYNC110
                    await trio.sleep(0.02)
                await mouse(type="mouseReleased", clickCount=1, **where)
                while robot.stick != (0.0, 0.0):  # noqa: ASYNC110
                    await trio.sleep(0.02)
                assert page.errors == []
            nursery.cancel_scope.cancel()
