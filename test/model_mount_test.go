package test

import (
	"cmp"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ncloudfs/remote/emulator"
)

// TestMountAgreesWithALocalDirectory does random calls on a mount and on a
// local directory for NCLOUDFS_TEST_RANDOM (15s); -rapid.seed repeats a failure.
func TestMountAgreesWithALocalDirectory(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	t.Run("beside other clients", func(t *testing.T) {
		t.Parallel()
		s, _ := startEmulator(t, emulator.Options{})
		w := newTwins(t, s, "--metadata-ttl=50ms")
		w.others = true
		w.check(t)
	})
	t.Run("with exact attributes", func(t *testing.T) {
		t.Parallel()
		s, _ := startEmulator(t, emulator.Options{})
		newTwins(t, s, "--attrs=exact").check(t)
	})
}

func (w *twins) check(t *testing.T) {
	runs, failed := 0, false
	for end := time.Now().Add(randomTime(t)); time.Now().Before(end) && !t.Failed(); {
		rapid.Check(t, func(t *rapid.T) {
			if !failed && time.Now().After(end) {
				return
			}
			before := failed
			failed = true // unless it returns
			runs++
			w.run(t, fmt.Sprint("run", runs))
			failed = before
		})
	}
	t.Logf("%d runs", runs)
	if err := w.end(); err != nil && !t.Failed() {
		t.Error(err)
	}
}

func (w *twins) run(t *rapid.T, dir string) {
	if w.m.hasEnded() { // the last run found a hang, or a crash
		w.revive()
	}
	r := &tree{twins: w, dir: dir, exact: true}
	defer r.leave()
	same(t, r.mount.mkdir(dir), r.local.mkdir(dir), "mkdir %q", dir)
	t.Repeat(r.calls())
	r.look(t)
	r.settle(t)
	r.look(t)
}

// randomTime is how long a test of random operations goes on.
func randomTime(t testing.TB) time.Duration {
	t.Helper()
	text := cmp.Or(os.Getenv("NCLOUDFS_TEST_RANDOM"), "15s")
	d, err := time.ParseDuration(text)
	ok(t, err)
	return d
}
