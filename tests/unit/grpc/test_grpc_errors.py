"""What of an error fits into the metadata of a gRPC answer."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import StepFailedError
from penstock.core.grpc_errors import cut, fitting, status_message

any_text = st.text(st.characters(categories=("L", "Cc", "Cs", "So", "P", "Z")), max_size=300)


@given(any_text, st.integers(0, 400))
def test_a_sentence_is_cut_to_its_budget(sentence: str, budget: int) -> None:
    shown = cut(sentence, budget)
    whole = sentence.encode(errors="replace").decode()
    kept, dots, rest = shown.rpartition("... and ")
    if dots and shown != whole:
        assert whole.startswith(kept)
        assert rest == f"{len(whole) - len(kept)} characters more"
    else:
        kept = shown
        assert shown == whole
    # gRPC's percent-encoding leaves more letters alone than this one.
    safe = "".join(chr(code) for code in range(32, 127) if chr(code) != "%")
    assert len(quote(kept, safe=safe)) <= budget


@given(st.lists(any_text, max_size=20), st.integers(0, 2000))
def test_details_take_no_more_than_their_budget(details: list[str], budget: int) -> None:
    shown = fitting(details, budget)
    if shown and shown[-1].endswith(" more"):
        shown, count = shown[:-1], len(details) - len(shown) + 1
        assert count > 0
    assert len(json.dumps(shown, ensure_ascii=False).encode()) <= budget + 2
    assert shown == [text.encode(errors="replace").decode() for text in details[: len(shown)]]


def test_text_that_is_none_can_be_sent() -> None:
    error = StepFailedError("\udcff broke", details=["\udcff"])
    status = status_message(error, None)
    assert status.message == "? broke"
    assert status.SerializeToString()
