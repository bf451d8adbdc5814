"""What is cut from a response before it is scored: reasoning always, `<answer>` tags on request."""

from __future__ import annotations

import re

REASONING_TAGS = ("think", "analysis")  # what lmms-eval's command line strips by default
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def strip_reasoning(response: str) -> str:
    """The response without `<think>…</think>` and `<analysis>…</analysis>`, ends stripped.

    A closing tag alone (the opening one stood in the prompt) cuts everything before its last one;
    an opening tag alone stays, as does a closing tag before it. Tags count in lower case only.
    """
    for tag in REASONING_TAGS:
        opening, closing = f"<{tag}>", f"</{tag}>"
        if closing not in response:
            continue
        while (start := response.find(opening)) >= 0:
            end = response.find(closing, start)
            if end < 0:
                break
            response = response[:start] + response[end + len(closing) :]
        if opening not in response:
            response = response.rpartition(closing)[2]
    return response.strip()


def unwrap_answer(response: str) -> str:
    """What the last `<answer>…</answer>` holds, ends stripped; without one, the response."""
    answers = _ANSWER.findall(response)
    return answers[-1].strip() if answers else response
