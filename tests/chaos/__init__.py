"""Crash tests: kill the runner at every point, resume, and check that nothing was lost or done twice."""
