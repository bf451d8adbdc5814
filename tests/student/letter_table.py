"""Responses to questions with lettered options, and the letter that a reader takes each for.

After `B:` are those that choose B; after `-:` those that choose none. ¦ stands between responses,
⏎ for the end of a line. There are four options, but in ODD.
"""

from __future__ import annotations

TABLES = {
    "short": r"""
A:
A ¦ a ¦ A. ¦ a. ¦ (A) ¦ (a) ¦ a) ¦ A) ¦ [A] ¦ Ａ ¦ （Ａ） ¦ ａ ¦ Ⓐ ¦ 🅐 ¦ 𝐀
B:
B ¦ b ¦ b. ¦ (b) ¦ **B** ¦ `B` ¦ 【B】 ¦ 「B」 ¦ "B" ¦ 'B' ¦ “B” ¦ «B» ¦ B： ¦ （Ｂ） ¦ ⒝ ¦ 𝗕
🅱 ¦ __B__ ¦ *B* ¦ {B} ¦ <B> ¦ $B$ ¦ (B ¦ B! ¦ B) ¦ \(B\) ¦ \text{B} ¦ \textbf{B} ¦ - B ¦ 1. B
> B ¦ # B ¦ B⏎ ¦ ⏎⏎B ¦ B.⏎⏎ ¦ option B ¦ Option (B) ¦ choice b ¦ OPTION B ¦ letter B ¦ B option
(B) right ¦ B) right ¦ B. right ¦ B - right ¦ B, right ¦ B right ¦ b) right ¦ b: right ¦ B.right
B.红色 ¦ B。
-:
left ¦ on the table ¦ None of the above ¦ ABCD ¦ AB ¦ BANANA ¦ 2 ¦ ? ¦ Cup 2 ¦ A and B ¦ A or B
A, B ¦ A/B ¦ A & B ¦ A B ¦ A⏎B ¦ A、B ¦ (A) and (C) ¦ (A)(C) ¦ both A and B ¦ either B or C
A, B and C ¦ A B C D ¦ A.⏎B.⏎C.⏎D. ¦ A-D ¦ a, b ¦ E ¦ (E) ¦ Z ¦ В ¦ Β ¦ Д ¦ ب ¦ 3D ¦ B2 ¦ B12
T-shirt ¦ X-ray ¦ N/A ¦ R&B ¦ I cannot tell. ¦ I ¦ a ball ¦ A ball ¦ A man in a red shirt
A few seconds later ¦ vitamin C ¦ Plan B ¦ 25 °C ¦ e.g. left ¦ at 3 a.m. ¦ C++ ¦ D'accord
C'est vrai ¦ %s {} \ ¦ � ¦ ÄB ¦ é ¦ Answer ¦ Answer: ¦ The answer is ¦ <answer> ¦ \boxed{}
<answer></answer> ¦ A. left B. right C. up D. down ¦ None of A, B, C, D
""",
    "English": r"""
A:
The answer is A. ¦ the answer is a ¦ The answer is a. ¦ Answer: a ¦ The answer is (a)
A is correct. ¦ A, because it rolls. ¦ A because it rolls ¦ I choose A ¦ A⏎⏎A ball rolls.
A is right, B is wrong. ¦ The answer is A because B is not shown. ¦ a) left ¦ a: left
The answer is a, since it rolls. ¦ It must be A. ¦ B is wrong, so it is A. ¦ not B but A
Option A shows the ball. ¦ The best option is A, a ball. ¦ {"answer": "A"}
B:
The answer is (B) because A is not shown. ¦ The answer is B. Note that A is a common distractor.
The answer is B. A man walks by. ¦ Answer: B ¦ answer:b ¦ Answer is b ¦ ANSWER: B ¦ Ans: B
Answer - B ¦ Answer⏎B ¦ Answer = B ¦ Answer B ¦ **Answer:** B ¦ **Answer: B** ¦ Ans. B
### Final Answer⏎⏎**B** ¦ Final answer: B. ¦ My answer is B ¦ The correct option is B
The correct choice would be (B). ¦ The best answer is: B ¦ The correct answer is option B.
The answer to the question is B. ¦ The right answer here is clearly B. ¦ It's B. ¦ it's b
I'd go with B. ¦ I would choose B ¦ I pick b. ¦ I select option (B). ¦ So, B. ¦ so b
Therefore, the final answer is: B ¦ Therefore B. ¦ Thus the answer must be B ¦ Hence, (B).
B is the correct answer. ¦ B is right and C is wrong.
Based on the video, B is right and C is wrong. ¦ Option B is the best choice here.
(B) is correct, while (A) and (C) are not shown. ¦ It is not A; it is B. ¦ Not A, not C: B
B, not A ¦ B rather than A ¦ B instead of C
I considered (A), but it is incorrect. Final answer: B. ¦ First I thought A, but it is B.
A and C are wrong. D is impossible. B. ¦ A is wrong. C is wrong. D is wrong.⏎B ¦ A? No, B.
neither A nor C, so B ¦ A can be ruled out, so B. ¦ It can't be A or C, so B ¦ Actually, B.
The answer is A... wait, no. The answer is B. ¦ Initially A, but the answer is B.
A ball rolls to the left, so the answer is B. ¦ A man picks it up. Answer: B ¦ A ball rolls to B
I think it is B. ¦ I think B ¦ I believe the answer is B ¦ I am sure it's B ¦ Maybe b?
The ball is on the right (B). ¦ The ball ends up on the right, which is B. ¦ probably b
The video shows a cup.⏎A cup moves.⏎⏎B ¦ Let me see.⏎⏎(B) ¦ Sure! B ¦ Sure, the answer is B!
Looking at the video:⏎- A: the cup is red, incorrect⏎- B: the cup is blue⏎The answer is B
A. left: incorrect.⏎B. right: correct.⏎Answer: B ¦ Answer: (B) Right, as in A scene
$\boxed{B}$ ¦ \boxed{\text{B}} ¦ \boxed{\text{(B) right}} ¦ \boxed{\mathbf{B}} ¦ \boxed{b}
The answer is A? No. \boxed{B} ¦ so we get $\boxed{\mathrm{B}}$. ¦ \boxed{Answer: B} ¦ \fbox{B}
<answer>B</answer> ¦ <answer> b </answer> ¦ <answer>B. right</answer> ¦ <answer>(B)
<ANSWER>B</ANSWER> ¦ <think>A?</think> B ¦ <think>The answer is A</think>⏎B ¦ A</think>B
<think>A or B</think><answer>B</answer> ¦ <answer>A</answer> no, <answer>B</answer>
<answer>\boxed{B}</answer> ¦ <answer>The answer is B.</answer> ¦ answer='B' ¦ {'answer': 'B'}
{"reason": "A man walks", "answer": "B"} ¦ → B ¦ A → wrong⏎B → correct ¦ B ✓ ¦ ✅ B
The letter B ¦ Among the options, only B is correct ¦ B seems correct ¦ B is most likely.
The answer is not A, it's B. ¦ It isn't A. It isn't C. It must be B. ¦ Eliminating A and C, B
The answer is B (not A). ¦ I'd say B, unlike A which is wrong ¦ B. The ball in A does not move.
In option A the ball is red, but in the video it's blue, so the correct answer is option B.
The man takes a cup, e.g. a red one. Answer: B ¦ She sings R&B at 3 a.m. (B)
C:
The answer is C because I saw it. ¦ C) on the table ¦ The correct answer is c. ¦ C - the cup
C'est drôle: C ¦ He takes vitamin C. The answer is C. ¦ A B-movie plays. C ¦ I'm sure: C
I choose C since A and B are wrong. ¦ Neither A nor B is shown. C is. ¦ C, as in vitamin D
D:
D⏎⏎A quick look shows it. ¦ Answer: **D** ¦ The answer is (D), not (A) ¦ d ¦ (d). ¦ D :
I considered (A), but it is incorrect. Final answer: D. ¦ The answer is D, A man is not seen.
-:
The answer is A and B ¦ Answer: A, B ¦ Answer: A or B ¦ The answer is either A or B.
The answers are A and C. ¦ Both A and B are correct. ¦ A and B are correct ¦ Answer: AB
The answer is a ball. ¦ The answer is a red ball ¦ Answer: a man walks ¦ It is a ¦ I see a cat
The answer is E. ¦ Answer: F ¦ \boxed{7} ¦ <answer>A or B</answer> ¦ \boxed{A, B}
The answer is not A. ¦ It is not B ¦ A is wrong ¦ A is not shown ¦ It isn't A or B ¦ not A
I think it is a man. ¦ A man and a woman ¦ I'd say a dog ¦ In a minute ¦ A 3-second clip
Either A or B, I can't tell. ¦ A or B or C ¦ I can't decide between A and B. ¦ Answer: A/B
The options are A. left B. right ¦ Is it A or B? ¦ U.S. troops ¦ J.R. moves ¦ Dad's car
the i-th cup ¦ <answer>none</answer> ¦ not A or B
""",
    "Chinese": r"""
B:
答案是B ¦ 答案是B。 ¦ 答案：B ¦ 答案为B ¦ 答案为：B。 ¦ 答案B ¦ 正确答案是（B）
正确答案为：B。 ¦ 正确选项是B ¦ 正确的选项是 B。 ¦ 选B ¦ 选择B ¦ 应选B ¦ 故选B。 ¦ 故选：B
我选b ¦ 选项B ¦ B选项 ¦ B选项正确 ¦ B项正确。 ¦ B是正确的 ¦ B正确 ¦ B是对的，A是错的
所以答案是B ¦ 因此，B。 ¦ 答案应该是B ¦ 最佳选项为B ¦ 【答案】B ¦ 【B】 ¦ （B） ¦ 「B」 ¦ Ｂ
答案：Ｂ ¦ 答案：（Ｂ） ¦ 不是A，而是B ¦ A不正确，C错误，所以选B ¦ 排除A和C，选B
A、C、D都不对，答案是B ¦ A错，B对。答案：B ¦ 根据视频，球向右滚动，因此选择B。
视频中有一个人（B） ¦ 選B ¦ 答案為B ¦ 正確答案是：B ¦ 選項B ¦ 我认为是B ¦ 应该是B ¦ B。球向右滚
B.右边 ¦ B：右边 ¦ B、右边 ¦ 最终答案：\boxed{B} ¦ 选（B）。 ¦ 我一开始以为是A，但答案是B。
A选项不符合视频内容，B选项符合。 ¦ <think>A</think>答案是B
-:
答案是A和B ¦ 选A、B ¦ A或B ¦ 答案：AB ¦ 左边 ¦ 不是A ¦ A错误 ¦ 没有正确答案 ¦ 我不知道 ¦ 答案是E
A、B都有可能 ¦ 他吃了维生素C ¦ 甲
""",
    "Japanese": r"""
B:
答えはB ¦ 答えはBです。 ¦ 答え：B ¦ 答え: B ¦ 答えは（B）です ¦ 正解はB ¦ 正解はBです。
正解：Ｂ ¦ Bです ¦ Bです。 ¦ Bが正解です ¦ Bが正しいです ¦ 選択肢B ¦ 選択肢Bが正しい
Bを選びます ¦ 「B」 ¦ Aではなく、Bです。 ¦ Aは間違いです。答えはB。 ¦ したがって、B。
よって答えはBである ¦ Ｂ ¦ （Ｂ） ¦ 回答：B ¦ 解答は B ¦ Bだと思います
ボールは右に転がるので、答えはBです。 ¦ B。右です
-:
AとB ¦ AまたはB ¦ 答えはAとBです ¦ 左です ¦ わかりません ¦ Aではない ¦ 答えはEです
""",
    "Korean": r"""
B:
정답은 B ¦ 정답은 B입니다. ¦ 정답: B ¦ 정답 : (B) ¦ 답은 B입니다 ¦ 답: B ¦ 답은 (B)입니다.
B입니다 ¦ B가 정답입니다 ¦ B가 맞습니다. ¦ 보기 B ¦ 선택지 B ¦ B번 ¦ B번이 정답입니다 ¦ Ｂ
따라서 B입니다. ¦ A가 아니라 B입니다. ¦ A는 틀렸고, 정답은 B입니다.
공이 오른쪽으로 굴러가므로 정답은 B이다. ¦ (B) ¦ B를 선택합니다 ¦ 그래서 답은 B ¦ B. 오른쪽
-:
A와 B ¦ A 또는 B ¦ 정답은 A와 B입니다 ¦ 왼쪽 ¦ 모르겠습니다 ¦ A가 아닙니다 ¦ 정답은 E입니다
""",
    "German": r"""
B:
Antwort: B ¦ Die Antwort ist B. ¦ Die richtige Antwort ist B. ¦ die richtige Antwort lautet: b
Die korrekte Option ist (B) ¦ B ist richtig. ¦ B ist die richtige Antwort ¦ Option B ¦ Lösung: B
Nicht A, sondern B. ¦ A ist falsch, also B. ¦ Ich wähle B ¦ Daher B. ¦ Antwort B ¦ Es ist B.
Ein Ball, z. B. der rote, rollt. Antwort: B ¦ z.B. rollt er nach rechts: B ¦ A passt nicht. B
Antwort B, weil A nicht gezeigt wird. ¦ Es ist eindeutig B. ¦ „B“ ¦ Richtig ist B.
-:
A und B ¦ A oder B ¦ Die Antwort ist A oder B. ¦ links ¦ z. B. links ¦ d. h. links
A ist falsch
""",
    "French": r"""
B:
Réponse : B ¦ La réponse est B. ¦ La bonne réponse est la B. ¦ la bonne réponse est b ¦ C'est B.
C'est la réponse B ¦ B est correct. ¦ B est la bonne réponse ¦ Option B ¦ L'option B ¦ « B »
Ce n'est pas A, c'est B. ¦ A est faux, donc B. ¦ Je choisis B ¦ Donc B.
La réponse correcte est (B) ¦ À gauche ? Non, B ¦ Il y a une balle. Réponse : B
D'après la vidéo, la réponse est B. ¦ L'homme l'a pris. C'est B.
A n'est pas montré. La réponse est B ¦ Réponse B
-:
A et B ¦ A ou B ¦ La réponse est A ou B ¦ à gauche ¦ Il y a un chat ¦ A gauche ¦ C'est vrai
d'abord
""",
    "Spanish": r"""
B:
Respuesta: B ¦ La respuesta es B. ¦ La respuesta correcta es la B. ¦ la respuesta es b
Es la B. ¦ La opción correcta es B ¦ B es correcta. ¦ B es la respuesta correcta ¦ Opción B
la opción b ¦ La B ¦ No es A, sino B. ¦ A es incorrecta, por lo tanto B. ¦ Elijo B ¦ Entonces B.
Letra B ¦ inciso b ¦ A la derecha va la pelota. Respuesta: B ¦ Va a la derecha y para: B
A no aparece. B
-:
A y B ¦ A o B ¦ La respuesta es A o B ¦ a la izquierda ¦ A la izquierda ¦ A continuación
No es A
""",
    "others": r"""
B:
Ответ: B ¦ Ответ B ¦ Правильный ответ: B. ¦ Правильный ответ — B ¦ Ответ: (B) ¦ ответ b
Вариант B ¦ Не A, а B. ¦ A неверно, поэтому B. ¦ Верный вариант — B. ¦ B — правильный ответ
Это B. ¦ B является правильным ¦ Выбираю B ¦ Я думаю, это B ¦ Следовательно, B
Правильный вариант ответа: B ¦ الإجابة هي B ¦ الإجابة: B ¦ الإجابة الصحيحة هي B. ¦ الجواب هو (B)
الخيار B ¦ B هو الصحيح ¦ الخيار الصحيح هو B ¦ ليس A بل B ¦ A خطأ، الإجابة B ¦ اختار B
A resposta é B. ¦ Resposta: B ¦ Letra B ¦ A alternativa correta é a B ¦ B está correta
A bola: B ¦ La risposta è B. ¦ Risposta: B ¦ L'opzione B ¦ È la B. ¦ B è corretta
E la risposta è B ¦ Đáp án: B ¦ Đáp án là B ¦ उत्तर: B ¦ सही उत्तर B है ¦ Jawaban: B ¦ Cevap: B
Odpowiedź: B ¦ Antwoord: B ¦ Svar: B ¦ Απάντηση: B ¦ คำตอบคือ B ¦ תשובה: B ¦ پاسخ: B
Відповідь: B
-:
A и B ¦ A или B ¦ слева ¦ Ответ: В ¦ Ответ: A или B ¦ Не A ¦ A أو B ¦ ليس A ¦ لا أعرف ¦ A e B
A ou B ¦ O homem ¦ A bola ¦ A esquerda ¦ A sinistra ¦ E poi? ¦ A và B ¦ A ve B
""",
}
ODD = [
    (" b ", 4, "B"),
    ("B:", 4, "B"),
    ("\u200fB", 4, "B"),
    ("\ufeffB", 4, "B"),
    ("B\u3000", 4, "B"),
    ("B\tright", 4, "B"),
    ("B: right", 4, "B"),
    ("", 4, ""),
    (" ", 4, ""),
    ("\x00", 4, ""),
    ("A: left\nB: right\nC: up\nD: down", 4, ""),
    ("B: 오른쪽", 4, "B"),
    ("الإجابة الصحيحة: \u200fB\u200f", 4, "B"),
    ("I", 9, "I"),
    ("I.", 9, "I"),
    ("(i)", 9, "I"),
    ("J", 10, "J"),
    ("I think it is C.", 10, "C"),
    ("The answer is C because I computed it.", 10, "C"),
    ("The answer is I.", 10, "I"),
    ("Answer: I", 10, "I"),
    ("I see a man. I choose H", 10, "H"),
    ("I'm not sure", 10, ""),
    ("So do I.", 10, ""),
    ("I see it and I know it.", 10, ""),
    ("Option I is right", 10, "I"),
    ("E", 5, "E"),
    ("e", 5, "E"),
    ("E poi la B", 5, "B"),
    ("A e B", 5, ""),
    ("O homem. Resposta: D", 26, "D"),
    ("Y", 26, "Y"),
    ("Y la respuesta es X", 26, "X"),
    ("It's a T-shirt, answer s", 26, "S"),
    ("Don't know", 26, ""),
    ("it s on the table", 26, ""),
    ("D or B", 3, ""),
    ("The answer is D", 3, ""),
    ("C", 2, ""),
    ("b", 2, "B"),
    ("b", 1, ""),
]


def _rows(table: str) -> list[tuple[str, int, str]]:
    rows: list[tuple[str, int, str]] = []
    right = ""
    for line in table.strip().split("\n"):
        if line in ("A:", "B:", "C:", "D:", "-:"):
            right = line[0].strip("-")
            continue
        rows += [(response.replace("⏎", "\n"), 4, right) for response in line.split(" ¦ ")]
    return rows


ROWS = [row for table in TABLES.values() for row in _rows(table)] + ODD
