"""A link between two network namespaces: slow, losing packets, letting nobody in; what a NAT far away is.

Two TUN devices, and this process between them. Arguments: the far namespace, milliseconds each way, percent
that is lost. Prints `ready`. Nothing passes that would open a connection to the far side.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

NEAR, FAR = ("10.213.7.1", "baznear"), ("10.213.7.2", "bazfar")
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
TCP, SYN, ACK = 6, 2, 16


def device(name: str) -> int:
    number = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(number, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return number


def opens_a_connection(packet: bytes) -> bool:
    """True if an IPv4 packet is the first of a TCP connection."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != TCP:
        return False
    flags = packet[(packet[0] & 15) * 4 + 13]
    return bool(flags & SYN) and not flags & ACK


def main() -> None:
    namespace, delay, loss = sys.argv[1], float(sys.argv[2]) / 1000, float(sys.argv[3]) / 100
    ends = {device(NEAR[1]): NEAR, device(FAR[1]): FAR}
    near, far = ends
    inside = ["ip", "netns", "exec", namespace]
    for words in (
        ["ip", "link", "set", FAR[1], "netns", namespace],
        ["ip", "addr", "add", NEAR[0], "peer", FAR[0], "dev", NEAR[1]],
        ["ip", "link", "set", NEAR[1], "up"],
        [*inside, "ip", "addr", "add", FAR[0], "peer", NEAR[0], "dev", FAR[1]],
        [*inside, "ip", "link", "set", FAR[1], "up"],
        [*inside, "ip", "link", "set", "lo", "up"],
    ):
        subprocess.run(words, check=True)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    other = {near: far, far: near}
    waiting: list[tuple[float, int, int, bytes]] = []
    count = 0
    luck = random.Random(7)
    while True:
        left = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 1.0
        for number in select.select([near, far], [], [], left)[0]:
            packet = os.read(number, 65536)
            if luck.random() < loss or (number == near and opens_a_connection(packet)):
                continue
            count += 1
            heapq.heappush(waiting, (time.monotonic() + delay, count, other[number], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, number, packet = heapq.heappop(waiting)
            os.write(number, packet)


if __name__ == "__main__":
    main()
