"""What proves to a cluster who one is."""
from __future__ import annotations

import os

FILES = ("secret_file", "ca_file", "cert_file", "key_file")


class Security:
    """Files that prove to the processes of a cluster that they belong together; nothing secret is ever on a command line.

    Parameters
    ----------
    secret_file : path, optional
        A file with a text that all of them know (16 bytes or more). Connections are authenticated, and not encrypted.
    ca_file, cert_file, key_file : path, optional
        Certificates in PEM, all three, for addresses `tls://...`: what `tessera cert` makes.

    Examples
    --------
    >>> import tessera as ts
    >>> ts.Security(secret_file="~/.tessera-secret")
    Security(secret_file='~/.tessera-secret')
    """

    __slots__ = FILES

    def __init__(self, *, secret_file=None, ca_file=None, cert_file=None, key_file=None) -> None:
        for name, path in zip(FILES, (secret_file, ca_file, cert_file, key_file)):
            setattr(self, name, None if path is None else os.fspath(path))
        given = [name for name in FILES[1:] if getattr(self, name)]
        if given and len(given) < 3:
            raise ValueError(f"certificates need ca_file, cert_file and key_file; given are only {' and '.join(given)}")

    def paths(self) -> dict:
        """Absolute paths by name, of those that are given."""
        return {name: os.path.abspath(os.path.expanduser(path)) for name in FILES if (path := getattr(self, name))}

    def fill(self, struct) -> list:
        """Writes them into a struct of the library with fields of these names; what must stay alive while that is used."""
        from ._config import c_text

        kept = [(name, c_text(path)) for name, path in self.paths().items()]
        for name, text in kept:
            setattr(struct, name, text)
        return kept

    def __repr__(self) -> str:
        return f"Security({', '.join(f'{name}={getattr(self, name)!r}' for name in FILES if getattr(self, name))})"

    def __eq__(self, other) -> bool:
        return isinstance(other, Security) and self.paths() == other.paths()

    __hash__ = None
