"""How the web page shows a diff: its lines by what they are (SPEC 10)."""

from __future__ import annotations

from pitboss.screens.desk import Changes, FileChange
from pitboss.screens.web.diffs import LineKind, folded

BECAME_A_LINK = """\
diff --git a/one b/one
deleted file mode 100644
index 3367afd..0000000
--- a/one
+++ /dev/null
@@ -1 +0,0 @@
-old
diff --git a/one b/one
new file mode 120000
index 0000000..d00491f
--- /dev/null
+++ b/one
@@ -0,0 +1 @@
+two
\\ No newline at end of file"""


def test_the_second_part_of_a_file_that_became_a_link_begins_like_the_first() -> None:
    change = FileChange(path="one", added=1, removed=1, lines=tuple(BECAME_A_LINK.split("\n")))
    (file,) = folded(Changes(files=(change,)))
    assert [(line.kind, line.text) for line in file.lines] == [
        (LineKind.NOTE, "deleted file mode 100644"),
        (LineKind.HUNK, "@@ -1 +0,0 @@"),
        (LineKind.REMOVED, "-old"),
        (LineKind.NOTE, "new file mode 120000"),
        (LineKind.HUNK, "@@ -0,0 +1 @@"),
        (LineKind.ADDED, "+two"),
        (LineKind.NOTE, "\\ No newline at end of file"),
    ]
