"""What other files say about a gap: found in the background, chosen by a budget, never secret.

    scan → index → sources → assembly → snippets

`project.Project` is all of it in one process; `client` runs it in a process of its own, so that no
keystroke waits for it.
"""
