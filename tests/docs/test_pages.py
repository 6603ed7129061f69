"""What the README and the tutorial say is done, and shows what they say."""

from __future__ import annotations

from tests.docs.blocks import ROOT, read_blocks
from tests.docs.conftest import Reader


def test_the_tutorial(reader: Reader) -> None:
    blocks = read_blocks(ROOT / "docs" / "tutorial.md")
    reader.server.start()
    assert reader.follow(blocks, "playground") == [block for block in blocks if not block.skipped]
    reader.server.stop()
