package test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestWriteBackMode has a bucket that takes nothing while files are made, and
// kills the daemon before it does.
func TestWriteBackMode(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	stage := root().dir(t)
	s.put(t, "old", "old")
	s.put(t, "gone", "gone")
	m := s.mount(t, root(), "--write-back", "--stage-dir="+stage)
	p := m.start(t)
	_, err := p.readDir("")
	ok(t, err)
	repair := refuseUploads(server)
	large := random(20 << 20)
	ok(t, p.mkdir("dir"))
	ok(t, p.writeFile("dir/small", "small"))
	ok(t, p.writeFile("dir/large", large))
	ok(t, p.rename("old", "new"))
	ok(t, p.unlink("gone"))
	check := func(p *program) {
		t.Helper()
		for name, want := range map[string]string{"dir/small": "small", "dir/large": large, "new": "old"} {
			got, err := p.readFile(name)
			ok(t, err)
			equal(t, name, got, want)
		}
		for _, name := range []string{"old", "gone"} {
			_, err := p.lstat(name)
			fails(t, "lstat of "+name, err, unix.ENOENT)
		}
	}
	check(p)
	m.kill(t)
	p.end()
	if out, code := run(t, s.command(t, root(), "umount", m.path)); code != 0 {
		t.Errorf("umount of a dead mount: exit code %d: %s", code, out)
	}
	if s.exists(t, "dir/small") {
		t.Error("it was uploaded, though the bucket takes nothing")
	}
	again := s.mount(t, root(), "--write-back", "--stage-dir="+stage)
	check(again.start(t))
	repair()
	if code := again.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	for key, want := range map[string]string{"dir/small": "small", "dir/large": large, "new": "old", "dir/": ""} {
		equal(t, key, s.content(t, key), want)
	}
	for _, key := range []string{"old", "gone"} {
		if s.exists(t, key) {
			t.Errorf("%s is still in the bucket", key)
		}
	}
}

// TestAnswersThatAreLost gives up a request that is carried out after a newer
// one.
func TestAnswersThatAreLost(t *testing.T) {
	t.Parallel()
	const late = 2 * time.Second
	for name, c := range map[string]struct {
		operation string
		act       func(p *program) error
		want      string
	}{
		"put":    {opPut, func(p *program) error { return p.writeFile("a", "older") }, "newer"},
		"delete": {emulator.OpDeleteObject, func(p *program) error { return p.unlink("a") }, "newer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := startEmulator(t, emulator.Options{})
			s.put(t, "a", "oldest")
			m := s.mount(t, root(), "--late-time="+(2*late).String())
			p := m.start(t)
			server.Faults().Add(emulator.Fault{Operation: c.operation, Effect: emulator.LoseLate, After: late, Count: 1})
			ok(t, c.act(p))
			ok(t, p.writeFile("a", c.want))
			start := time.Now()
			eventually(t, "the older request was carried out, and made good", func() bool {
				return time.Since(start) > late && strings.Contains(m.log.String(), "older request has overwritten") && s.exists(t, "a") && s.content(t, "a") == c.want
			})
			text, err := p.readFile("a")
			ok(t, err)
			equal(t, "a", text, c.want)
		})
	}
}

// TestFullDisks fills a stage of 1 MB.
func TestFullDisks(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	for _, mode := range []string{"--write-back=false", "--write-back=true"} {
		m := s.mount(t, root(), "--stage-size=1M", mode)
		p := m.start(t)
		fd, err := p.open("a"+mode, unix.O_WRONLY|unix.O_CREAT)
		ok(t, err)
		half := random(600 << 10) // whole pages, or the kernel splits the write
		_, err = fd.pwrite(half, 0)
		ok(t, err)
		_, err = fd.pwrite(half, 600<<10)
		fails(t, "write beyond the stage's size", err, unix.ENOSPC)
		ok(t, fd.close())
		if code := m.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		equal(t, "what was accepted", s.content(t, "a"+mode), half)
	}
}
