"""Commands that people are advised to run: safe to paste into a shell, whatever they name."""

from __future__ import annotations

import shlex


def command(words: str, name: str, options: str = "") -> str:
    """Write a command about one thing: ``antiphon cancel ID --reason TEXT``.

    A name that begins with a dash would be taken for an option. It comes last then, behind ``--``.

    Args:
        words: What to do, as in ``guards reset budget``.
        name: Which one, as it is; it is quoted for the shell where it needs that.
        options: What else belongs to the command, as it is to be written.
    """
    quoted = shlex.quote(name)
    parts = (options, "--", quoted) if name.startswith("-") else (quoted, options)
    return " ".join(filter(None, ("antiphon", words, *parts)))
