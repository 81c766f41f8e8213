package cache

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ballast is space on the stage's file system that is given up for the journal
// when the disk is full: what the kernel writes by itself is not stopped short of
// that. Safe for concurrent use.
type ballast struct {
	root *os.Root

	mu   sync.Mutex
	file *os.File // keepFree bytes; nil: there is none; guarded by mu
}

const ballastName = "ballast"

// drop removes what a crash has left.
func (b *ballast) drop() { _ = b.root.Remove(ballastName) } // mostly there is none

// take sets the space aside, if it is not already, and reports whether it could.
func (b *ballast) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file != nil {
		return true
	}
	f, err := b.root.OpenFile(ballastName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, keepFree); err != nil {
		f.Close()
		b.drop()
		return false
	}
	b.file = f
	return true
}

// size returns how many bytes are set aside.
func (b *ballast) size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return 0
	}
	return keepFree
}

// give gives the space back, and reports whether there was any.
func (b *ballast) give() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return false
	}
	_ = b.file.Truncate(0) // the space is free at once, whoever has the file open
	b.file.Close()
	b.drop()
	b.file = nil
	return true
}
