package test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// refuseUploads lets the server refuse every upload until repair is called.
func refuseUploads(server interface{ Faults() *emulator.Faults }) (repair func()) {
	undo := []func(){}
	for _, op := range []string{emulator.OpPutObject, emulator.OpUploadPart} {
		undo = append(undo, server.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.Refuse, Code: "AccessDenied"}))
	}
	return func() {
		for _, f := range undo {
			f()
		}
	}
}

func TestAfterACrash(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	stage := root().dir(t)
	m := s.mount(t, root(), "--retry-time=1s", "--stage-dir="+stage)
	p := m.start(t)
	s.put(t, "edited", strings.Repeat("old ", 1000))
	large := strings.Repeat("0123456789abcdef", 20<<20/16)
	repair := refuseUploads(server)
	fails(t, "close of a small file", p.writeFile("small", "small"), unix.EACCES)
	fails(t, "close of a large file", p.writeFile("large", large), unix.EACCES)
	f, err := p.open("edited", unix.O_WRONLY)
	ok(t, err)
	_, err = f.pwrite("new", 2000)
	ok(t, err)
	fails(t, "fsync", f.fsync(), unix.EACCES)
	open, err := p.open("open", unix.O_WRONLY|unix.O_CREAT)
	ok(t, err)
	_, err = open.pwrite("not closed", 0)
	ok(t, err)
	m.kill(t)
	p.end()
	if out, code := run(t, s.command(t, root(), "umount", m.path)); code != 0 {
		t.Errorf("umount of a dead mount: exit code %d: %s", code, out)
	}

	again := s.mount(t, root(), "--retry-time=1s", "--stage-dir="+stage)
	edited := strings.Repeat("old ", 500) + "new" + strings.Repeat("old ", 1000)[2003:]
	p = again.start(t)
	for name, want := range map[string]string{"small": "small", "large": large, "edited": edited} {
		got, err := p.readFile(name)
		ok(t, err)
		equal(t, name+" before it is uploaded", got, want)
	}
	_, err = p.lstat("open")
	fails(t, "lstat of the file that was not closed", err, unix.ENOENT)
	repair()
	if code := again.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	equal(t, "small", s.content(t, "small"), "small")
	equal(t, "large", s.content(t, "large"), large)
	equal(t, "edited", s.content(t, "edited"), edited)
	if s.exists(t, "open") {
		t.Error("the file that was not closed is in the bucket")
	}
}

func TestLateUploads(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	stage := root().dir(t)
	m := s.mount(t, root(), "--retry-time=1s", "--stage-dir="+stage)
	p := m.start(t)
	repair := refuseUploads(server)
	for _, name := range []string{"free", "theirs", "ours"} {
		fails(t, "close", p.writeFile(name, "written here"), unix.EACCES)
	}
	m.kill(t)
	p.end()
	if out, code := run(t, s.command(t, root(), "umount", m.path)); code != 0 {
		t.Errorf("umount of a dead mount: exit code %d: %s", code, out)
	}
	repair()
	s.put(t, "theirs", "written elsewhere")
	s.put(t, "ours", "written here")
	server.ResetCounts()
	again := s.mount(t, root(), "--stage-dir="+stage)
	if code := again.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	for name, want := range map[string]string{"free": "written here", "theirs": "written elsewhere", "ours": "written here"} {
		equal(t, name, s.content(t, name), want)
	}
	if n := server.Counts()[emulator.OpPutObject]; n != 2 {
		t.Errorf("%d PUTs, want one of the free name and one of the conflict copy", n)
	}
	copies := s.keys(t, "theirs.conflict-")
	if len(copies) != 1 || !strings.Contains(again.log.String(), copies[0]) {
		t.Fatalf("conflict copies are %v, want one that the log names", copies)
	}
	equal(t, "the conflict copy", s.content(t, copies[0]), "written here")
	kept, err := filepath.Glob(stage + "/*/data/*")
	ok(t, err)
	if len(kept) > 0 {
		t.Errorf("left in the stage directory: %v", kept)
	}
}
