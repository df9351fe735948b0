"""Where sessions have their trees and processes: this machine, or a simulated one."""
