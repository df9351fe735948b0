"""`pitboss queue` as real commands: what is added, listed and removed (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.cli import Project


QUEUE = ".pitboss/grind/queue"
WAITS = "the next run takes it: `pitboss grind`, or `pitboss grind --resume`\n"


def added(project: Project, *args: str) -> str:
    """Queue a task; its id."""
    done = project.pitboss("queue", "add", *args)
    assert (done.code, done.err) == (0, WAITS), done
    return done.out.split()[1]


def test_a_text_becomes_a_prompt_file_with_a_name_of_its_own(project: Project) -> None:
    done = project.pitboss(
        "queue", "add", "Fix the login: it fails.\n\nTest it.", "--verify", "--model", "small"
    )
    task_id = done.out.split()[1]
    assert done.out == f"queued {task_id} (fix-the-login-it-fails)\n"
    assert (project.root / QUEUE / f"{task_id}.md").read_text() == (
        '---\nname: fix-the-login-it-fails\ndescription: "Fix the login: it fails."\nmodel: "small"\n'
        "verify: true\n---\nFix the login: it fails.\n\nTest it.\n"
    )


def test_a_file_is_queued_with_its_settings_unless_others_are_given(project: Project) -> None:
    project.write("task.md", "---\nname: door\nmodel: small\nverify: true\n---\nMend the door.\n")
    task_id = added(project, "-f", "task.md", "--model", "large", "--agent", "shell", "--parallel")
    assert (project.root / QUEUE / f"{task_id}.md").read_text() == (
        '---\nname: door\ndescription: "Mend the door."\nmodel: "large"\nverify: true\nagent: "shell"\n'
        "parallel_safe: true\n---\nMend the door.\n"
    )
    project.write("plain.txt", "Mend the window.\n")
    added(project, "-f", "plain.txt")
    tasks = project.pitboss("queue", "ls", "--json").json()["tasks"]
    assert [task["name"] for task in tasks] == ["door", "mend-the-window"]


def test_ls_shows_what_waits_with_the_next_one_first(project: Project) -> None:
    assert project.pitboss("queue", "ls").out == "no tasks are queued\n"
    assert project.pitboss("queue", "ls", "--json").json() == {"tasks": [], "problems": []}
    first = added(project, "Mend the door.")
    second = added(project, "Paint it: red.", "--agent", "shell", "--parallel")
    rows = [line.split("  ") for line in project.pitboss("queue", "ls").out.splitlines()]
    assert [[cell.strip() for cell in row if cell][::2] for row in rows] == [
        ["ID", "NAME", "RUNS"],
        [first, "mend-the-door", "alone"],
        [second, "paint-it-red", "beside others"],
    ]
    [one, two] = project.pitboss("queue", "ls", "--json").json()["tasks"]
    assert one | {"queued_at": None} == {
        "id": first,
        "name": "mend-the-door",
        "description": "Mend the door.",
        "queued_at": None,
        "path": f"{project.root}/{QUEUE}/{first}.md",
        "agent": None,
        "model": None,
        "verify": False,
        "parallel_safe": False,
        "max_session_seconds": None,
        "max_session_cost_usd": None,
    }
    assert (two["agent"], two["parallel_safe"]) == ("shell", True)


def test_ls_names_a_file_that_is_no_task(project: Project) -> None:
    task_id = added(project, "Mend the door.")
    bad = project.write(f"{QUEUE}/bad.md", "---\nverify: maybe\n---\nx")
    done = project.pitboss("queue", "ls")
    assert (done.code, len(done.out.splitlines())) == (1, 2)
    assert done.err == f"error: {bad}:2: verify: must be true or false, not 'maybe'\n"
    listed = project.pitboss("queue", "ls", "--json")
    assert listed.code == 1
    assert f'"id": "{task_id}"' in listed.out
    assert '"reason": "must be true or false, not \'maybe\'"' in listed.out
    assert project.pitboss("queue", "rm", "bad").out == "removed bad\n"
    assert project.pitboss("queue", "ls").code == 0


def test_a_task_is_removed_by_the_beginning_of_its_id(project: Project) -> None:
    first, second = added(project, "Mend the door."), added(project, "Mend the window.")
    shared = next(n for n in range(7, 0, -1) if first[:n] == second[:n])
    unclear = project.pitboss("queue", "rm", first[:shared])
    assert (unclear.code, unclear.err) == (
        1,
        f"error: '{first[:shared]}' begins the ids of 2 tasks: {first}, {second}\n",
    )
    assert project.pitboss("queue", "rm", second[: shared + 1]).out == f"removed {second}\n"
    assert project.pitboss("queue", "rm", first).out == f"removed {first}\n"
    gone = project.pitboss("queue", "rm", first)
    assert (gone.code, gone.err) == (
        1,
        f"error: no task '{first}' is queued\nhint: `pitboss queue ls` lists the tasks that wait\n",
    )


def test_no_id_at_all_is_no_beginning_of_one(project: Project) -> None:
    task_id = added(project, "Mend the door.")
    assert project.pitboss("queue", "rm", "").code == 1
    assert project.pitboss("queue", "ls").out.splitlines()[1].startswith(task_id)


def test_what_cannot_be_done_is_refused_at_once_and_nothing_is_queued(project: Project) -> None:
    project.write("bad.md", "---\nname: A B\nfoo: 1\n---\nbody")
    refused = {
        ("-f", "bad.md"): (
            "error: bad.md:2: name: must be of a-z, 0-9, `-` and `_`, and begin with a letter or digit, not 'A B'\n"
            "error: bad.md:3: foo: unknown key\n"
        ),
        ("-f", "none.md"): "error: none.md: does not exist\n",
        (" ",): "error: TEXT: has no text to give to an agent\n",
        ("Mend it.", "--agent", "nobody"): "error: unknown agent `nobody`\n",
        (): "error: give the TEXT of the task, or a file with -f\n",
        ("Mend it.", "-f", "bad.md"): "error: give the TEXT of the task, or a file with -f\n",
    }
    for args, said in refused.items():
        done = project.pitboss("queue", "add", *args)
        assert done.code == 4, done
        assert done.err.startswith(said), done
    assert project.pitboss("queue", "ls").out == "no tasks are queued\n"


def test_a_text_with_commands_of_another_program_is_queued_with_a_warning(project: Project) -> None:
    done = project.pitboss("queue", "add", "/review the login")
    assert done.code == 0
    assert done.err.startswith(f"{WAITS}warning: TEXT: ")


def test_text_that_is_not_utf_8_is_marked(project: Project) -> None:
    task_id = added(project, b"Mend \xff it.".decode(errors="surrogateescape"))
    assert (project.root / QUEUE / f"{task_id}.md").read_text().endswith("Mend ? it.\n")
