"""A server that does nothing but fan out: shows what the load generator can take.

It sends what anybody sends to everybody, without a room, a store or JSON. What gathers leaves in
one frame, as with chat.v1, or its own sending would be what is measured. `bench.compare` measures
it first; `python -m bench.compare --only "generator alone"` nothing else.
"""

import asyncio
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

everybody: set[WSTransport] = set()
waiting: list[bytes] = []


class Bare(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        everybody.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        everybody.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            if not waiting:
                asyncio.get_running_loop().call_soon(send_all)
            waiting.append(frame.get_payload_as_bytes())


def send_all() -> None:
    payload = b"\n".join(waiting)
    waiting.clear()
    for one in everybody:
        one.send(WSMsgType.TEXT, payload)


async def serve(port: int) -> None:
    def listener(_: WSUpgradeRequest) -> WSListener:
        return Bare()

    server = await ws_create_server(listener, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
