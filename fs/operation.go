package fs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ncloudfs/cache"
)

// errKilled: the program that asked is being killed and cannot use the answer.
var errKilled = errors.New("caller killed")

// killPoll is how often an interrupted caller is looked at. The kernel reports
// the first signal only, and SIGKILL may follow.
const killPoll = 100 * time.Millisecond

// operation returns the context of one operation: it ends with the mount, with
// done, or when the caller is being killed, but not by any other signal.
func (m *Mount) operation(ctx context.Context) (op context.Context, done func()) {
	op, cancel := context.WithCancelCause(m.ctx)
	stop := context.AfterFunc(ctx, func() { m.awaitKill(op, callerPid(ctx), cancel) })
	return op, func() {
		stop()
		cancel(nil)
	}
}

// mutate runs a change of the bucket, which is carried out to its end even if
// the caller is being killed: half a rename helps nobody.
func (m *Mount) mutate(ctx context.Context, change func(context.Context) error) error {
	op, done := m.operation(ctx)
	defer done()
	result := make(chan error, 1)
	m.behind.Go(func() {
		defer func() {
			if reason := recover(); reason != nil {
				m.panicked(reason)
				result <- fmt.Errorf("internal error: %v", reason)
			}
		}()
		result <- change(m.ctx)
	})
	select {
	case err := <-result:
		return err
	case <-op.Done():
		return context.Cause(op)
	}
}

// Waits for the tree of nodes to follow the rename of a directory, which it
// does right after the answer.
const (
	moveTries = 50
	movePause = time.Millisecond
)

// whileMoving runs op, which reads names off the tree, again while a directory
// above is being renamed.
func whileMoving(op func() error) error {
	for try := 1; ; try++ {
		err := op()
		if !errors.Is(err, cache.ErrMoved) || try == moveTries {
			return err
		}
		time.Sleep(movePause)
	}
}

// awaitKill cancels op once pid has a SIGKILL pending.
func (m *Mount) awaitKill(op context.Context, pid uint32, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(killPoll)
	defer tick.Stop()
	for !killPending(pid) {
		select {
		case <-op.Done():
			return
		case <-tick.C:
		}
	}
	cancel(errKilled)
}

// callerPid returns the thread that asked; 0 when it was the kernel.
func callerPid(ctx context.Context) uint32 {
	if c, ok := fuse.FromContext(ctx); ok {
		return c.Pid
	}
	return 0
}

// killPending reports whether SIGKILL waits for pid, or pid is gone (proc(5):
// SigPnd of the thread, ShdPnd of the process).
func killPending(pid uint32) bool {
	if pid == 0 {
		return false
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	const sigkill = 1 << (9 - 1)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ":")
		if field != "SigPnd" && field != "ShdPnd" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && mask&sigkill != 0 {
			return true
		}
	}
	return false
}

// lookTime is how long it may take to see what a process has open. One that is in
// the middle of execve(2) shows nothing until that has closed its descriptors, and
// for each of those it waits for our answer.
const lookTime = 300 * time.Millisecond

// hasDescriptor reports whether process pid, or that from which it was just forked
// to become another program, has a descriptor open on path. False when it cannot be
// told.
func hasDescriptor(pid uint32, path string) bool {
	if pid == 0 {
		return false
	}
	answer := make(chan bool, 1)
	go func() { answer <- showsDescriptor(pid, path) }()
	select {
	case has := <-answer:
		return has
	case <-time.After(lookTime):
		return true // in execve, which closes a copy of its parent's
	}
}

// showsDescriptor looks by reading links only: a stat would come back to us.
func showsDescriptor(pid uint32, path string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, fd := range names {
		if target, err := os.Readlink(dir + "/" + fd); err == nil && target == path {
			return true
		}
	}
	return false
}
