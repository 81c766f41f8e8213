package test

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestBucketOrKeysThatAreGoneLoseNothing: what was written meanwhile is reported,
// with its path and what to do, is kept and shown, and arrives once they are back.
func TestBucketOrKeysThatAreGoneLoseNothing(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	type site struct {
		*store
		server interface{ Faults() *emulator.Faults }
	}
	for name, c := range map[string]struct {
		lose   func(t *testing.T, s site) (restore func())
		errno  syscall.Errno
		remedy string // to be found in the log, and in what is pending
	}{
		"bucket": {func(t *testing.T, s site) func() {
			ok(t, s.client.RemoveBucket(t.Context(), s.bucket))
			return func() { ok(t, s.client.MakeBucket(t.Context(), s.bucket, "")) }
		}, unix.ENOENT, "check the name and the region"},
		"keys": {func(_ *testing.T, s site) func() {
			return s.server.Faults().Add(emulator.Fault{Effect: emulator.Refuse, Code: "InvalidAccessKeyId"})
		}, unix.EACCES, "check the key"},
	} {
		forEachMode(t, func(t *testing.T, options ...string) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, server := startEmulator(t, emulator.Options{})
				m := s.mount(t, root(), append(options, "--retry-time=1s")...)
				m.mayFail = true
				p := m.start(t)
				f, err := p.open("the-file", unix.O_WRONLY|unix.O_CREAT)
				ok(t, err)
				_, err = f.pwrite("written meanwhile", 0)
				ok(t, err)
				restore := c.lose(t, site{s, server})
				if err := f.close(); len(options) == 0 {
					fails(t, "close", err, c.errno)
				} else {
					ok(t, err)
					m.ncloudfs(t, 1, "sync", m.path)
				}
				eventually(t, "the log says what to do", func() bool {
					log := m.log.String()
					return strings.Contains(log, c.remedy) && strings.Contains(log, "the-file")
				})
				out := m.ncloudfs(t, 0, "pending", m.path)
				says(t, out, "the-file")
				says(t, out, c.remedy)
				got, err := p.readFile("the-file")
				ok(t, err)
				equal(t, "the file", got, "written meanwhile")
				restore()
				m.ncloudfs(t, 0, "sync", m.path)
				equal(t, "the object", s.content(t, "the-file"), "written meanwhile")
			})
		})
	}
}
