//go:build steps

package cache

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// steps is how tests arm the program, by its environment:
//
//	NCLOUDFS_STEP=NAME[:N]     at the Nth time (first) that step NAME is reached the process is killed
//	NCLOUDFS_STEP=panic@NAME   at the first time that it is reached there is a panic
//	NCLOUDFS_STEPS_FILE=PATH   the name of each step that is reached is appended to this file
type steps struct {
	once sync.Once

	mu     sync.Mutex
	name   string // guarded by mu, like all below
	panics bool
	left   int // times until it happens; 0: it has
	file   *os.File
}

// armed is a variable of the package since step has no receiver: no such
// program is in use outside of tests.
var armed steps

// step marks a moment at which a crash must lose nothing.
func step(name string) {
	armed.once.Do(armed.arm)
	if armed.reach(name) {
		panic("step " + name)
	}
}

func (s *steps) arm() {
	name, count, hasCount := strings.Cut(os.Getenv("NCLOUDFS_STEP"), ":")
	s.name, s.panics = strings.CutPrefix(name, "panic@")
	s.left = 1
	var err error
	if hasCount {
		s.left, err = strconv.Atoi(count)
	}
	if path := os.Getenv("NCLOUDFS_STEPS_FILE"); err == nil && path != "" {
		s.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "steps:", err)
		os.Exit(1)
	}
}

// reach notes a step, and reports whether it has to panic.
func (s *steps) reach(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		fmt.Fprintln(s.file, name)
	}
	if name != s.name || s.left == 0 {
		return false
	}
	s.left--
	if s.left == 0 && !s.panics {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // works on oneself
		select {}                                      // it may take effect a moment later
	}
	return s.left == 0
}
