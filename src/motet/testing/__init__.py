"""For tests of your own graphs: models that answer as the test says, and a switch that forbids real ones.

```python
with forbid_model_requests(), ScriptedModel([tool_call("add", first=1, second=2), "It is 3."]) as model:
    answer = await create_agent(model, [add]).ainvoke({"messages": [("human", "What is 1 + 2?")]})

assert model.calls[1].messages[-1].text == "3"
```

`ScriptedModel` is for a test that knows each call: one call too many fails, and so does a step never asked for.
`FunctionModel` is for one that doesn't: agents in parallel, loops, any number of calls. Both bind tools, give
structured output, count tokens, and stream text and tool calls as a provider does. Neither is a model: they
understand nothing.
"""

from __future__ import annotations

from motet.errors import ModelRequestForbidden, UnconsumedSteps, UnexpectedCall
from motet.testing.answering import AnsweringModel, Call
from motet.testing.function import Answer, FunctionModel
from motet.testing.replies import Reply, Streamed, streamed, tool_call
from motet.testing.requests import allow_model_requests, forbid_model_requests
from motet.testing.scripted import ScriptedModel, Step

__all__ = [
    "Answer",
    "AnsweringModel",
    "Call",
    "FunctionModel",
    "ModelRequestForbidden",
    "Reply",
    "ScriptedModel",
    "Step",
    "Streamed",
    "UnconsumedSteps",
    "UnexpectedCall",
    "allow_model_requests",
    "forbid_model_requests",
    "streamed",
    "tool_call",
]
