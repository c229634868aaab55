"""A list as one parameter: the same text for any number of values.

With a mark for each value every number of them would be another statement, prepared and kept by each connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, JSON, BindParameter, ColumnElement, any_, bindparam, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session


def among(session: Session, column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether the column is one of ``values``."""
    dialect = session.connection(bind_arguments={"mapper": column.class_}).dialect.name
    return listed(dialect, column, "listed", [*values])


def listed(dialect: str, column: InstrumentedAttribute[Any], name: str, values: Any = None) -> ColumnElement[bool]:
    """The same for the parameter ``name``, whose values may be given later."""
    given: dict[str, Any] = {} if values is None else {"value": values, "unique": True}
    if dialect == "postgresql":
        array: BindParameter[Any] = bindparam(name, type_=ARRAY(column.type), **given)
        return column == any_(array)
    json: BindParameter[Any] = bindparam(name, type_=JSON, **given)
    return column.in_(select(func.json_each(json).table_valued("value").c.value))
