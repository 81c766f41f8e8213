package cache

import (
	"os"
	"strings"
)

// bootID names this boot of the machine (proc(5), random/boot_id): what was
// not fsynced may be gone in another. Where the kernel does not tell, every
// start of the program counts as one.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
