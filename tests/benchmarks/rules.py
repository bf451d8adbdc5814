"""The rules of the specification, written down once more, slowly and apart from the package.

Each follows the text of the harness's description step by step; no regular expression or helper
is shared with `storm.benchmarks`.
"""

from __future__ import annotations

PHRASES = """the answer is|answer is|the correct answer is|correct answer is|the best answer is
best answer is|the correct option is|correct option is|the best option is|best option is
the choice is|choice is|the correct choice is|correct choice is|i choose|i select|i pick
my answer is|my choice is
옵션|정답은|답은|답:|答案是|答案为|选|答えは""".replace("\n", "|").split("|")


def without_reasoning(text: str) -> str:
    for tag in ("think", "analysis"):
        start, end = f"<{tag}>", f"</{tag}>"
        while start in text and end in text[text.index(start) :]:
            head, tail = text.split(start, 1)
            text = head + tail.split(end, 1)[1]
        if start not in text:
            text = text.split(end)[-1]
    return text.strip()


def videomme(text: str, letters: str = "ABCD") -> str:
    text = text.strip()
    for mark in [",", ".", "!", "?", ";", ":", "'", '"']:
        while text.startswith(mark):
            text = text[1:]
        while text.endswith(mark):
            text = text[:-1]
    padded, bare = f" {text} ", text.strip()
    best: tuple[int, int] | None = None
    answer = ""

    def offer(priority: int, position: int, letter: str) -> None:
        nonlocal best, answer
        if best is None or (priority, position) > best:
            best, answer = (priority, position), letter

    for at in range(len(padded)):
        for letter in letters:
            rest = padded[at:]
            if rest.startswith(f"({letter})"):
                offer(6, at, letter)
            if padded[at] == letter and len(rest) > 1 and rest[1] in ".:) ":
                offer({".": 5, ":": 4, ")": 3, " ": 2}[rest[1]], at, letter)
    for phrase in PHRASES:
        place = padded.lower().find(phrase)
        for letter in letters if place >= 0 else "":
            after = padded.find(letter, place + len(phrase))
            if after >= 0:
                offer(7, after, letter)
    if bare and bare[0] in letters and not (len(bare) > 1 and bare[1].isalpha()):
        offer(10, 0, bare[0])
    if bare and bare[-1] in letters and not (len(bare) > 1 and bare[-2].isalpha()):
        offer(9, 0, bare[-1])
    if best is None:
        for at, letter in enumerate(padded):
            if letter in letters:
                offer(0, at, letter)
    return answer


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"


def mvbench(text: str) -> str:
    """`X. something` on the stripped text, else the first letter alone after the VQA clean-up."""
    bare = text.strip()
    if len(bare) > 2 and bare[0] in "ABCDEabcde" and bare[1] == ".":
        for start in range(2, len(bare)):  # white space may go on to the next line
            line = bare[start:]
            if line.split("\n")[0] and "\n" not in line:
                return bare[0].upper()
            if not bare[start].isspace():
                break
    flat = text.replace("\n", " ").replace("\t", " ").strip()
    thousands = any(
        flat[i] == "," and flat[i - 1].isdecimal() and flat[i + 1].isdecimal()
        for i in range(1, len(flat) - 1)
    )
    cleaned = ""
    for character in flat:
        if character not in ';/[]"{}()=+\\_-><@`,?!':
            cleaned += character
        elif not (thousands or f"{character} " in flat or f" {character}" in flat):
            cleaned += " "
    kept, cut = "", 0
    for i, character in enumerate(cleaned):
        if character == "." and cut < 32 and not cleaned[i + 1 : i + 2].isdecimal():
            cut += 1
        else:
            kept += character
    kept = kept.lower()
    for i, character in enumerate(kept):
        before, after = kept[i - 1 : i] if i else "", kept[i + 1 : i + 2]
        alone = not (before and _word(before)) and not (after and _word(after))
        if character in "abcde" and alone:
            return character.upper()
    return ""


def tempcompass(task: str, question: str, answer: str, said: str) -> float | None:
    """1 or 0; None where a judge is asked."""
    if task == "yes_no":
        for word in ("yes", "no"):
            if said.lower()[: len(word)] == word:
                return float(word == answer)
        return None
    if task == "multi-choice":
        if said == answer:
            return 1.0
        if said[:1] in tuple("ABCD") and (len(said) == 1 or said[1] in ".)"):
            return float(said[0] == answer[0])
        return None
    options = []
    for line in question.split("\n")[1:]:
        label, _, rest = line.partition(": ")
        sentence = rest.split(": ")[0]
        index = label
        for kind in ("Sentence ", "Option ", "Caption "):
            index = index.replace(kind, "")
        options.append((line, sentence, label, index))
    chosen = None
    for kind in range(4):
        for option in options:
            matches = option[kind] == said
            if kind == 1 and ") " in said:
                matches = matches or option[1] == said.split(") ")[1]
            if kind >= 2:
                matches = matches or option[kind] == said.replace(".", "")
            if matches:
                chosen = option[kind]
    if chosen is None:
        return None
    label, _, rest = answer.partition(": ")
    words = label.split()
    right = [answer, answer.split(":")[0], rest.split(": ")[0], words[1] if words[1:] else None]
    return float(chosen in right)
