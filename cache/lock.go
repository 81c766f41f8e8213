package cache

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// drainingMark follows the process number in the lock file of a mount that has
// ended, and brings its last files into the bucket.
const drainingMark = " draining"

// lockPoll is how often a lock that will be free soon is tried.
const lockPoll = 50 * time.Millisecond

// takeLock makes sure that one mount uses the directory. A mount that has ended
// is waited for until ctx ends.
func (s *Stage) takeLock(ctx context.Context) error {
	f, err := s.root.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.lock = f
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		pid, isDraining := readHolder(f)
		if !isDraining {
			return &HeldError{PID: pid}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return &HeldError{PID: pid, IsDraining: true}
		}
	}
	return s.writeHolder("")
}

func readHolder(f *os.File) (pid int, isDraining bool) {
	text := make([]byte, 40)
	n, _ := f.ReadAt(text, 0) // an empty file: its holder is just writing it
	number, isDraining := strings.CutSuffix(string(text[:n]), drainingMark)
	pid, _ = strconv.Atoi(number)
	return pid, isDraining
}

func (s *Stage) writeHolder(mark string) error {
	text := strconv.Itoa(os.Getpid()) + mark
	if _, err := s.lock.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return s.lock.Truncate(int64(len(text)))
}

// markDraining lets the next mount of this source wait for this one's end.
func (s *Stage) markDraining() {
	if s != nil && s.lock != nil {
		_ = s.writeHolder(drainingMark) // else the next mount is refused, as beside any other
	}
}
