"""Nested contents brought into the types that are declared inside of them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from feast_skew.core.nested import decimal_content, float32_content, set_content, uuid_content
from feast_skew.core.types import ELEMENT, DeclaredType, Kind


def shaped(content: Any, declared: DeclaredType) -> Any:
    """Give a content in which what its declared type makes one is written once.

    Float32 is rounded to it, UUIDs and decimals have one form, sets one order. What does not fit the declared type stays as it is, so that the difference is seen.
    """
    if declared.item is not None:
        return _elements(content, declared.item, is_set=declared.kind is Kind.SET)
    if declared.kind is Kind.NESTED:
        if declared.parts and declared.parts[0][0] == ELEMENT:
            return _elements(content, declared.parts[0][1], is_set=declared.name.startswith("Set("))
        return _fields(content, dict(declared.parts)) if declared.parts else content
    if declared.kind is Kind.FLOAT32:
        return float32_content(content)
    if declared.kind is Kind.UUID:
        return uuid_content(content)
    return _decimal(content) if declared.kind is Kind.DECIMAL else content


def _elements(content: Any, item: DeclaredType, *, is_set: bool) -> Any:
    if not isinstance(content, list):
        return content
    items = [shaped(one, item) for one in content]
    return set_content(items) if is_set else items


def _fields(content: Any, fields: dict[str, DeclaredType]) -> Any:
    if not isinstance(content, dict):
        return content
    return {name: shaped(value, fields[name]) if name in fields else value for name, value in content.items()}


def _decimal(content: Any) -> Any:
    try:
        return decimal_content(Decimal(content)) if isinstance(content, str) else content
    except InvalidOperation:
        return content
