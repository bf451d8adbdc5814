"""What people and models write around the letter that they choose, in several languages.

Words only: `letters.py` says what they do. Case doesn't matter, a space stands for any white space.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for line in text.strip().split("\n") for word in line.split(" | "))


# The letter that follows, after a link or a colon, is the answer: "the answer is B".
ANSWER = _words("""
answer | answers | ans | answer letter | correct option | correct choice | right option
right choice | best option | best choice | final option | final choice | correct letter
correct one | right one | best one | my choice | my pick | solution | 答案 | 答 | 正确选项
正确的选项 | 正確選項 | 正確的選項 | 最佳选项 | 结论 | 回答 | 正确的 | 正確的 | 对的 | 對的 | 应该
答え | 答えは | 正解 | 解答 | 正しい選択肢 | 正しいもの | 정답 | 답 | 답변 | 대답 | 올바른 선택지
antwort | lösung | richtige option | korrekte option | richtig ist | richtig | réponse | reponse
bonne option | bon choix | option correcte | respuesta | opción correcta | opcion correcta
solución | la correcta | resposta | opção correta | alternativa correta | gabarito | risposta
opzione corretta | soluzione | ответ | правильный вариант | верный вариант | правильный ответ
відповідь | الإجابة | الاجابة | إجابة | الإجابة الصحيحة | الجواب | جواب | إجابتي | الخيار الصحيح
الصحيح | پاسخ | جواب صحیح | תשובה | התשובה | उत्तर | जवाब | đáp án | câu trả lời | jawaban
jawabannya | cevap | yanıt | doğru cevap | antwoord | odpowiedź | odpověď | svar | svaret
vastaus | απάντηση | คำตอบ | คำตอบคือ
""")
# Between such a word and its letter.
LINK = _words("""
is | are | was | be | would be | should be | must be | will be | being | 是 | 为 | 為 | 应为
應為 | 选 | 選 | 应该是 | 應該是 | は | が | 은 | 는 | 이 | 가 | ist | lautet | wäre | war | est
serait | c'est | c’est | es | sería | é | seria | è | sarebbe | это | является | будет | це | هي
هو | هى | است | היא | הוא | है | là | adalah | olan | är | είναι | คือ
""")
# The letter that follows is chosen: "I choose B".
CHOICE = _words("""
choose | chose | pick | picked | select | selected | go with | going with | opt for | i'd say
i would say | i say | vote for | settle on | 选 | 選 | 选择 | 選擇 | 故选 | 故選 | 应选 | 應選
应选择 | 我选 | 我選 | wähle | nehme | entscheide mich für | choisis | choisirais | opte pour
elijo | escojo | elegiría | selecciono | escolho | scelgo | выбираю | выбрал | أختار | اختار
اخترت | chọn | memilih | pilih | seçiyorum | wybieram | kies
""")
# The letter that follows is likely the answer, unless something above says another one.
CONCLUSION = _words("""
it is | it's | it’s | it must be | must be | it was | it would be | that is | that's | that’s | so
therefore | thus | hence | consequently | finally | i think | i believe | i guess | my guess is
actually | wait | no | i'm sure | conclusion | conclude | -> | => | → | ⇒ | ∴ | 所以 | 因此 | 故
综上 | 是 | 应该是 | 應該是 | 我认为 | 我觉得 | 而是 | よって | したがって | だから | つまり
따라서 | 그러므로 | 그래서 | daher | folglich | es ist | ich denke | sondern | donc | c'est
c’est | je pense que c'est | mais | plutôt | por lo tanto | entonces | es la | es | creo que
sino | creo que es | portanto | logo | quindi | dunque | поэтому | значит | следовательно | итак
это | думаю | لذلك | إذن | بل | أعتقد | أعتقد أنها | هي
""")
# They stand before a letter of an option and say nothing of whether it is right.
OPTION = _words("""
option | options | choice | letter | answer | alternative | number | the | item | the option
the letter | the choice | statement | 选项 | 選項 | 答案 | 項 | 选择肢 | 選択肢 | 記号 | 보기
선택지 | 선택 | 문항 | antwort | antwortmöglichkeit | die | buchstabe | der buchstabe | auswahl
die option | la | le | l'option | l’option | la réponse | réponse | lettre | la lettre | choix
la opción | opción | opcion | letra | la letra | inciso | respuesta | alternativa | a opção
opção | a alternativa | a letra | opzione | l'opzione | lettera | risposta | вариант
вариант ответа | ответ | буква | пункт | под буквой | варіант | الخيار | خيار | الحرف | حرف
الاختيار | الإجابة | گزینه | אפשרות | विकल्प | phương án | lựa chọn | opsi | pilihan | şık
seçenek | optie | opcja | ตัวเลือก
""")
# They stand right after a letter of an option.
OPTION_AFTER = _words("选项 | 選項 | 项 | 項 | 번 | を | option | şıkkı | seçeneği | गलत")
# They stand between the words above and the letter, or between a letter and what is said of it.
ADVERB = _words("""
clearly | definitely | probably | likely | most likely | simply | obviously | indeed | therefore
thus | then | certainly | still | again | now | in fact | wahrscheinlich | eindeutig
probablement | probablemente | скорее всего | かな | 应该 | 應該 | 明显 | 显然 | 可能 | 最有可能
""")
# What is said after the right letter: "B is correct".
RIGHT = _words("""
is correct | is right | is the correct | is the right | is the best | is the answer
is the only correct | is the most likely | is the most accurate | is most likely
is the most appropriate | is my answer | is my final answer | is my choice | is true
seems correct | seems right | must be correct | must be right | must be the answer
would be correct | is therefore correct | fits best | matches best | is best | 正确 | 正確
是正确 | 是正確 | 为正确 | 為正確 | 是对的 | 是對的 | 对的 | 是答案 | 是最佳 | 是最合适 | 最合适
最符合 | 符合 | 選項正確 | 选项正确 | 选项是正确 | 选项符合 | 选项为正确 | 为答案 | 为最佳
选项最 | 选项是最 | 选项是对 | が正解 | が正しい | が答え | が適切 | が最も | は正解 | は正しい
です | だ | となります | を選びます | を選択します | を選ぶ | が妥当 | でしょう | だと思います
だと思う | 가 정답 | 이 정답 | 가 맞 | 이 맞 | 번이 정답 | 가 답 | 이 답 | 가 옳 | 입니다 | 이다
가 올바 | 를 선택합니다 | 을 선택합니다 | 를 고르 | 번입니다 | 이에요 | 예요 | 라고 생각
ist richtig | ist korrekt | ist die richtige | ist die korrekte | ist die antwort | ist die beste
stimmt | trifft zu | wäre richtig | ist wahr | est correct | est correcte | est juste
est la bonne | est la réponse | est exacte | est le bon | est vraie | es correcta | es la correcta
es la respuesta | es correcto | es la opción correcta | es la mejor | es verdadera | está correta
é a correta | é a resposta | é correta | è corretta | è la risposta | è quella giusta | è giusta
верно | верный | верен | верна | правильно | правильный | правилен | является правильн | — верный
— правильный | является верн | подходит | صحيح | صحيحة | هو الصحيح | هي الصحيحة | هي الإجابة
هو الجواب | هو الخيار الصحيح | هو الإجابة | सही | là đúng | đúng | benar | adalah benar | doğru
doğrudur | is juist | jest poprawna
""")
# The letter that follows is said not to be the answer: "not A".
REFUSED_BEFORE = _words("""
not | n't | n’t | cannot be | not be | n't be | n’t be | never | rather than | instead of | unlike
than | neither | nor | except | excluding | exclude | excludes | eliminate | eliminates
eliminated | eliminating | rule out | rules out | ruled out | ruling out | discard | reject
rejected | dismiss | dismissed | ignore | considered | i thought | thought it was | first thought
was going to say | tempted by | tempted to say | at first | initially | almost chose | almost said
wrong answer is | incorrect answer is | incorrect option is | wrong option is | 不是 | 不选 | 不選
不会是 | 不應是 | 不应是 | 不可能是 | 排除 | 而非 | 并非 | 並非 | 而不是 | 不为 | 错误选项是
错误答案是 | 以为是 | 以为 | nicht | statt | anstatt | weder | noch | kein | zuerst dachte ich
zunächst | pas | non | plutôt que | au lieu de | ni | éliminer | élimine | d'abord pensé à | no
no es | en vez de | en lugar de | descarto | descartar | descartamos | pensé en | não | não é
em vez de | non è | invece di | не | а не | вместо | ни | исключаем | ليس | ليست | وليس | وليست
لا | بدلا من | بدلاً من | نستبعد | استبعاد | không phải | bukan | niet | nie
""")
# What is said after a letter that is not the answer: "A is wrong".
REFUSED_AFTER = _words("""
is not | are not | was not | were not | isn't | isn’t | aren't | aren’t | wasn't | wasn’t
does not | do not | did not | doesn't | doesn’t | don't | don’t | didn't | didn’t | cannot
can not | can't | can’t | couldn't | could not | can be ruled out | can be eliminated
can be excluded | is ruled out | was ruled out | are ruled out | is eliminated | are eliminated
is excluded | are excluded | is wrong | are wrong | was wrong | is incorrect | are incorrect
was incorrect | is false | are false | is impossible | is unlikely | is inaccurate | seems wrong
seems unlikely | is out | is a distractor | is a common distractor | is irrelevant | is close but
incorrect | is only | was tempting | is tempting | contradicts | wrong | is never | at first
不正确 | 不正確 | 不对 | 不對 | 不是 | 不符 | 不符合 | 不成立 | 错 | 錯 | 是错 | 是錯 | 错误
錯誤 | 有误 | 被排除 | 排除 | 可以排除 | 选项不 | 选项错 | 选项可以排除 | 不可能 | 没有 | 选项没有
未 | 選項不 | 選項錯 | 都错 | 均不 | 都不 | 选项是错 | ではなく | ではない | ではありません
じゃない | は間違 | は誤 | は違 | は不正 | は正しくな | は除外 | は不適 | は該当しな | も違 | も誤
가 아니 | 이 아니 | 는 아니 | 은 아니 | 는 틀 | 은 틀 | 가 틀 | 이 틀 | 는 맞지 | 은 맞지
가 아닙 | 이 아닙 | 는 아닙 | 은 아닙 | 는 오답 | 은 오답 | 는 제외 | 은 제외 | 번은 아니
번이 아니 | 번은 틀 | 도 아니 | 는 잘못 | ist falsch | ist nicht | ist inkorrekt | sind falsch
scheidet aus | stimmt nicht | passt nicht | trifft nicht | wird nicht | est fausse | est faux
est incorrect | est incorrecte | n'est pas | n’est pas | ne correspond | sont fausses
est éliminée | es incorrecta | es incorrecto | es falsa | no es | son incorrectas | no corresponde
queda descartada | está descartada | no aparece | no se | está errada | não é | está incorreta
è sbagliata | è errata | non è | è falsa | неверно | неверный | неверен | неправильно
неправильный | не подходит | не является | не верен | не верно | не показан | исключается
ошибочно | не | — неверный | خطأ | خاطئ | خاطئة | غير صحيح | غير صحيحة | ليس | ليست | لا | مستبعد
गलत | là sai | sai | salah | yanlış | değil | is onjuist | is niet | jest błędna
""")
# Two letters joined by one of them are both named.
JOINED = _words("""
and | or | and/or | & | + | / | as well as | und | oder | sowie | et | ou | y | o | e | u | и
или | та | або | 和 | 或 | 或者 | 与 | 與 | 及 | 跟 | 以及 | 、 | と | や | か | または | もしくは
및 | 와 | 과 | 또는 | 이나 | 나 | 혹은 | 하고 | و | أو | او | או | और | या | và | hoặc | dan
atau | ve | veya | i | lub | och | eller | και | ή | และ | หรือ
""")
# After one of these, "A" is a letter and no article; before any other word it is an article.
NOT_AFTER_ARTICLE = _words("""
is | isn't | was | wasn't | are | were | and | or | because | since | as | for | but | not | if
so | due | based | given | though | although | while | when | shows | matches | describes | fits
seems | looks | says | states | would | could | can | cannot | can't | should | must | has | does
doesn't | to | than | instead | rather | over | it | in | which | contradicts | at | incorrect
correctly | correct | best | wrong | option | from | happens | comes | nor | und | oder | ist
war | weil | da | denn | aber | nicht | passt | zeigt | stimmt | trifft | scheidet | wird
sondern | sowie | et | ou | est | était | car | parce | mais | n'est | n’est | puisque
correspond | ne | y | o | es | porque | pero | no | ya | era | sino | queda | está | é | pois
não | è | perché | non | ma | vì | là | karena | olarak | çünkü | değil | omdat | bo
""")
# Single letters that are words of their own: articles, "I", prepositions, conjunctions.
WORDS = "aeiouy"
# What looks like a letter of an option, and is the end of a name.
NAMES = _words("""
vitamin | vitamins | plan | hepatitis | type | player | person | team | group | n/ | r& | q&
grade | serie | typ | gruppe | vitamine | vitamina | 维生素 | ビタミン | 비타민 | витамин
blood type | point | appendix
""")
# An option that holds one of them speaks of other options.
ABOUT_OTHERS = _words("""
above | below | aforementioned | foregoing | other options | other answers | other choices
of these | of those | of them | of the options | of the answers | of the choices | of the two
of the others | of the other | any other | all options | both options | neither option | no option
all answers | both answers | these options | previous option | next option | first option
second option | first two | last two | first three | last three | last option | the former
the latter | options a | 以上 | 上述 | 上面 | 下面 | 前述 | 皆非 | 皆是 | 都是 | 都不 | 其他选项
其它选项 | 其他選項 | 上記 | 以下 | いずれ | どれも | すべて当て | 全て当て | 위의 | 모두
보기 중 | 해당 없음 | 上のすべて | oben | genannten | keine der | keine von | alle antworten
beide antworten | weder noch | der obigen | ci-dessus | ces réponses | ces propositions
aucune de | aucun de | toutes les réponses | les deux | anteriores | de las anteriores
de las opciones | ninguna de | ninguno de | todas las | acima | das alternativas | nenhuma das
precedenti | nessuna delle | tutte le | вышеперечисленн | из перечисленного | перечисленное
ни один из | ни одно из | все варианты | оба варианта | مما سبق | ما سبق | ما ذكر
""")
# An option that is nothing but one of them speaks of other options.
ABOUT_ALL = _words("""
both | neither | either | all | none | any | all three | all four | all correct | none correct
both correct | neither correct | both are correct | all are correct | none are correct | same
all of it | none apply | all apply | 都对 | 都错 | 都有 | 都没有 | 全部 | 两者都是 | 两者皆是
均可 | 无 | 全部正确 | 両方 | すべて | なし | どちらも | 둘 다 | 없음 | alle | keine | beide
weder | toutes | aucune | tous | todas | todos | ninguna | ninguno | ambas | ambos | nenhuma
nessuna | tutte | все | ни один | оба | كلاهما | جميعها | كل ما سبق
""")
