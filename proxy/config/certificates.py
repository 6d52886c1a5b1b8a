"""Which certificate files the settings name, for whom, and what is wrong with them: now, and for those who connect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from proxy.certificate import Certificate, CertificateError, read_authorities, read_pair
from proxy.config.address import public_host, uses_tls
from proxy.config.errors import KeyPath
from proxy.config.model import Config

Pair = tuple[Path, Path]


def listener_pairs(config: Config) -> list[tuple[KeyPath, Pair]]:
    """The certificates of tls and wss listeners with their keys in the file, the default one first."""
    tls = config.tls
    if tls is None:
        return []
    found: list[tuple[KeyPath, Pair]] = [(("tls",), (tls.certificate, tls.private_key))]
    found += [
        (("tls", "certificates", index), (pair.certificate, pair.private_key))
        for index, pair in enumerate(tls.certificates)
    ]
    return found


def server_pair(config: Config) -> tuple[KeyPath, Pair] | None:
    """Our certificate for the server: its own, else that of the listeners."""
    own = config.server.tls
    if own.certificate is not None and own.private_key is not None:
        return ("server", "tls"), (own.certificate, own.private_key)
    listed = listener_pairs(config)
    return listed[0] if listed else None


def certificate_files(config: Config) -> Iterator[tuple[KeyPath, Path]]:
    """Every certificate file that the settings name."""
    pairs = listener_pairs(config)
    own = server_pair(config)
    if own is not None and own not in pairs:
        pairs.append(own)
    for path, (certificate, private_key) in pairs:
        yield (*path, "certificate"), certificate
        yield (*path, "private_key"), private_key
    if config.tls is not None and config.tls.client_ca is not None:
        yield ("tls", "client_ca"), config.tls.client_ca
    if config.server.tls.ca is not None:
        yield ("server", "tls", "ca"), config.server.tls.ca


def check_certificates(config: Config, now: float) -> Iterator[tuple[KeyPath, str]]:
    """What cannot be used at the time `now` (seconds since 1970): files, keys that do not fit, certificates expired."""
    for path, found in _read(config):
        if isinstance(found, Certificate):
            trouble = found.trouble(now)
            if trouble:
                yield (*path, "certificate"), f"the certificate {trouble}"
        else:
            yield (*path, "private_key" if found.of_key else "certificate"), str(found)
    for path, file in certificate_files(config):
        if path[-1] in ("client_ca", "ca"):
            try:
                read_authorities(file)
            except CertificateError as error:
                yield path, str(error)


def warn_of_certificates(config: Config, now: float) -> Iterator[tuple[KeyPath, str]]:
    """What works today and will not for long, or not for everybody."""
    for path, found in _read(config):
        if isinstance(found, Certificate):
            warning = found.warning(now)
            if warning and not found.trouble(now):
                yield (*path, "certificate"), f"the certificate {warning}"
    for index, host, names in refused_names(config):
        key = "public_address" if config.listen[index].public_address is not None else "uri"
        yield (
            ("listen", index, key),
            f"clients that connect to {host} will refuse the certificate, which is for {names}",
        )


def refused_names(config: Config) -> Iterator[tuple[int, str, str]]:
    """The listeners whose name is in none of their certificates: index, that name, and those in the certificates."""
    listed = [found for path, found in _read(config) if isinstance(found, Certificate) and path[0] == "tls"]
    for index, listener in enumerate(config.listen):
        if listener.uri.transport not in ("tls", "wss") or not listed:
            continue
        host = public_host(listener, config.public_address)
        if host is not None and not any(found.is_for_host(host) for found in listed):
            yield index, host, ", ".join(dict.fromkeys(name for found in listed for name in found.hosts)) or "nobody"


def _read(config: Config) -> Iterator[tuple[KeyPath, Certificate | CertificateError]]:
    pairs = listener_pairs(config)
    own = server_pair(config) if uses_tls(config.server) else None
    if own is not None and own not in pairs:
        pairs.append(own)
    for path, pair in pairs:
        try:
            yield path, read_pair(*pair)
        except CertificateError as error:
            yield path, error
