from app.chat.chats import FORGET_S, MAX_CHATS, Chats
from app.chat.conversation import Chat


def test_a_conversation_is_found_by_its_id_and_forgotten_an_hour_after_it_was_last_seen() -> None:
    now = [0.0]
    chats = Chats(clock=lambda: now[0])
    chat = Chat(visitor="me")
    chats.keep(chat)
    assert chats.get(chat.id) is chat and chats.get("other") is None
    now[0] = FORGET_S - 1
    chats.keep(chat)
    now[0] += FORGET_S - 1
    chats.keep(Chat(visitor="you"))
    assert chats.get(chat.id) is chat
    now[0] += 2
    chats.keep(Chat(visitor="you"))
    assert chats.get(chat.id) is None


def test_the_oldest_go_when_there_are_too_many() -> None:
    now = [0.0]
    chats = Chats(clock=lambda: now[0])
    kept = []
    for _ in range(MAX_CHATS + 3):
        now[0] += 1
        kept.append(Chat(visitor="me"))
        chats.keep(kept[-1])
    assert [chats.get(chat.id) is None for chat in kept[:4]] == [True, True, True, False]
