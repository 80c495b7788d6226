"""What a killed process leaves is removed by the next one, and nothing else is."""

import signal

from support.writers import names, posix, replace, start_writer, stop

from rewriter.saved.writing.replace import replacing


@posix
def test_what_a_killed_process_leaves_is_removed_by_the_next_run(target):
    target.write_text("old")
    writer = start_writer(target)
    living = names(target.parent)
    assert len(living) == 2
    replace(target, "new")
    assert names(target.parent) == living  # its owner lives
    stop(writer, signal.SIGKILL)
    assert names(target.parent) == living
    replace(target, "newer")
    assert names(target.parent) == [target.name]


def test_only_leftovers_of_this_target_and_this_host_are_removed(target):
    with replacing(target) as temporary:
        ours = temporary.parent.name
        temporary.write_text("new")
    prefix, host, _ = ours.rsplit("-", 2)
    foreign = "00000000" if host != "00000000" else "11111111"
    others = [
        ours.replace("model", "other"),
        ours.replace(host, foreign),
        f"{prefix}-{host}-notrandom.keras",
        f"{ours}.more.endings",
    ]
    for name in [*others, f"{ours}.keras"]:  # a file, as older versions left them
        (target.parent / name).touch()
    (target.parent / ours / "assets").mkdir(parents=True)  # of this very process, but not in use
    replace(target, "newer")
    assert names(target.parent) == sorted([*others, target.name])
