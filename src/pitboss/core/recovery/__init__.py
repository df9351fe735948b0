"""What a run that was cut short needs before it may go on, decided from facts alone (SPEC 7).

facts      what was found on disk
refusals   what forbids going on, and the words that say so
plan       which repairs the run needs, in order
repairs    every kind of repair, as a value
replay     the state of the run, from its checkpoint and its log
"""
