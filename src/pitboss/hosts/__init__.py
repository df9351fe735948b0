"""Where sessions have their trees and their processes: this machine, or what plays one."""
