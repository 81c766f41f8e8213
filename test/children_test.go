package test

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// children are the daemons of mounts that run now.
type children struct {
	mu     sync.Mutex // guards mounts
	mounts map[*mounted]bool
}

var running = children{mounts: map[*mounted]bool{}}

func (c *children) add(m *mounted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mounts[m] = true
}

func (c *children) remove(m *mounted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mounts, m)
}

// of lists the mounts of a store.
func (c *children) of(s *store) []*mounted {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*mounted
	for m := range c.mounts {
		if m.store == s {
			found = append(found, m)
		}
	}
	return found
}

// leaks names what should not be there when all tests are done, and ends it:
// daemons, and mounts in the tests' directories.
func (c *children) leaks() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []string
	for m := range c.mounts {
		found = append(found, fmt.Sprintf("process %d of %s", m.process.Process.Pid, m.path))
		_ = m.process.Process.Kill() // may have ended now
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return append(found, err.Error())
	}
	ours := fmt.Sprint(os.TempDir(), "/", dirPrefix, os.Getpid(), "-")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], ours) {
			found = append(found, "mount on "+f[4])
			_ = unix.Unmount(f[4], unix.MNT_DETACH) // reported
		}
	}
	return found
}
