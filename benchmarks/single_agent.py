# ruff: noqa: INP001 - part of a script, no package
"""What the crew is measured against: one agent with the same model, the same tools and the same limits."""

from __future__ import annotations

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel

from motet.agents.tool_results import ResultsAsData, failures_as_messages
from motet.graphs.registry import Graph
from motet.tools.documents.ports import Documents
from motet.tools.documents.tools import read_tool, search_tool
from motet.tools.sql import query_tool
from motet.tools.untrusted import DATA_RULE
from motet.tools.workspace import Workspace

_INSTRUCTIONS = """You answer questions about a folder of data and documents. Find the answer with the tools:
query_workspace for what the tables hold, search_documents and read_document for what the documents say. Some
questions need both. Answer in one or two sentences, with numbers exactly as the tools return them. Quote documents
word for word in double quotation marks and name the file. Use nothing but what the tools returned. If neither the
tables nor the documents hold the answer, say: I can't answer this."""


def build_single_agent(model: BaseChatModel, workspace: Workspace, documents: Documents) -> Graph:
    """An agent whose instructions name every table, column and document, so that it needn't look for them."""
    tables = "\n".join(
        f"- {table.name}: {', '.join(f'{column.name} {column.type}' for column in table.columns)}"
        for table in workspace.tables
    )
    files = "\n".join(f"- {one.file}: {one.title}" for one in documents.files)
    return create_agent(
        model,
        [search_tool(documents), read_tool(documents), query_tool(workspace)],
        system_prompt=f"{_INSTRUCTIONS}\n\nTables:\n{tables}\n\nDocuments:\n{files}\n\n{DATA_RULE}",
        middleware=[ResultsAsData(), failures_as_messages()],
        name="single_agent",
    )
