"""The sandbox around a session's processes, as a pure policy (SPEC 13).

Ground   facts: home, tree, git's folders, the agent's folders       ground
Mount    what each path becomes, in the order of mounting            policy, git_policy, secrets
Fence    the words before a program's own command line               fence
"""
