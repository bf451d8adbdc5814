"""Clean responses before scoring: strip reasoning, unwrap `<answer>` tags on request."""

from __future__ import annotations

import re

REASONING_TAGS = ("think", "analysis")  # lmms-eval's command line strips these by default
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def strip_reasoning(response: str) -> str:
    """Return the response without `<think>...</think>` and `<analysis>...</analysis>`, stripped.

    If there are only closing tags (the prompt held the opening one), everything up to the last is
    cut; an opening tag without a closing one stays, as does a closing tag before it. Only tags in
    lower case count.
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
    """Return the stripped content of the last `<answer>...</answer>`, else the response."""
    answers = _ANSWER.findall(response)
    return answers[-1].strip() if answers else response
