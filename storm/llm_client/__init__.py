"""Client of models behind OpenAI-compatible servers: many at once, nothing paid for twice.

client = ChatClient(ChatConfig(base_url=url, model="judge"), cache_folder, usage_file)

async def ask(question):
    return await client.ask([{"role": "user", "content": question}])

for question, reply in client.each(ask, questions):  # as they come, `concurrency` in flight
    print(question, reply.text)
"""

from storm.llm_client.client import ChatClient
from storm.llm_client.config import ChatConfig, Message, NoReply, Reply
from storm.llm_client.usage import UsageLog

__all__ = ["ChatClient", "ChatConfig", "Message", "NoReply", "Reply", "UsageLog"]
