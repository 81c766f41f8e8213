package test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPanicInOneOperationIsItsEIO: the mount lives on.
func TestPanicInOneOperationIsItsEIO(t *testing.T) {
	t.Parallel()
	requireFUSE(t)
	write := func(p *program) error {
		f, err := p.open("file", unix.O_RDWR|unix.O_CREAT)
		if err != nil {
			return err
		}
		defer f.close()
		_, err = f.pwrite("text", 0)
		return err
	}
	readDirect := func(p *program) error { // the kernel reads once, and not ahead
		f, err := p.open("object", unix.O_RDONLY|unix.O_DIRECT)
		if err != nil {
			return err
		}
		defer f.close()
		_, err = f.pread(4, 0)
		return err
	}
	for step, operation := range map[string]func(p *program) error{
		"read":           readDirect,
		"write":          write,
		"put":            func(p *program) error { return p.writeFile("file", "text") },
		"journal-append": write,
		"delete":         func(p *program) error { return p.unlink("object") },
		"copy":           func(p *program) error { return p.rename("object", "file") },
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			k := newSite(t)
			k.s.put(t, "object", "text")
			m := k.armed(t, "NCLOUDFS_STEP=panic@"+step)
			m.mayFail, m.mayPanic = false, true
			p := m.start(t)
			err := operation(p)
			if isBehind := theMode().writeBack && (step == "put" || step == "delete" || step == "copy"); !isBehind {
				fails(t, "the operation", err, unix.EIO)
			}
			eventually(t, "the log tells of the panic", func() bool { return strings.Contains(m.log.String(), "internal error") })
			if err != nil {
				ok(t, operation(p))
			}
			ok(t, p.writeFile("other", "what follows"))
			if code := m.stop(t); code != 0 {
				t.Errorf("exit code %d after SIGTERM, want 0", code)
			}
			equal(t, "the other object", k.s.content(t, "other"), "what follows")
		})
	}
}
