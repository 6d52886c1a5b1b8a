#!/usr/bin/env python3
"""A plain blocking UDP relay, no parsing. Usage: relay_socket.py LISTEN_IP PORT SERVER_IP PORT"""

import socket
import sys

RECEIVE_BUFFER = 4 << 20


def main() -> None:
    """Server's datagrams to the last client, everything else to the server; for ever."""
    server, client = (sys.argv[3], int(sys.argv[4])), None
    relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    relay.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    relay.bind((sys.argv[1], int(sys.argv[2])))
    while True:
        octets, source = relay.recvfrom(65535)
        if source != server:
            client = source
            relay.sendto(octets, server)
        elif client:
            relay.sendto(octets, client)


main()
