"""Coding agents: any CLI behind one driver (SPEC 6).

before a run     table: a name becomes an agent    programs, installation: its program and version
                 paid_keys, login_file
one start        driver: launch -> child -> reader -> verdict and bill -> outcome
                 monitor: follows it and stops it    cut_short: judges it if it was stopped
what a CLI is    backend: how to start it    reader: what its lines mean    judgement: how it ended
each CLI         claude/  codex/  ...  command.py: all we know about it; none knows another
what they share  output/: lines, JSON, session files    services/: words of model services    plain, costs
without a CLI    scripted: plays outcomes
"""
