"""Tells people who are away what becomes of a run; none of it touches the run (SPEC 12).

engine.bus --> outlet --> outbox, what each address is owed --> post, a thread --> errands --> delivery, a process
                             |                                  pulse, a thread ------^
                             v
                          handover, shared memory --> the guardian, which sends the last notice
"""
