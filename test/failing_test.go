package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// filesIn is what all files below a directory hold.
func filesIn(t testing.TB, dir string) string {
	t.Helper()
	var all strings.Builder
	ok(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}

// stageDir is where the daemon keeps what is not in the bucket yet.
func (m *mounted) stageDir(t testing.TB) string {
	t.Helper()
	for _, v := range m.process.Env {
		if dir, found := strings.CutPrefix(v, "NCLOUDFS_STAGE_DIR="); found {
			return dir
		}
	}
	t.Fatal("no stage directory")
	return ""
}

func TestFailedUploads(t *testing.T) {
	t.Parallel()
	large := random(20 << 20)
	for name, c := range map[string]struct {
		fault   emulator.Fault
		content string
		want    unix.Errno
	}{
		"put, for now":       {emulator.Fault{Operation: opPut, Status: 500}, "text", unix.EIO},
		"put, slow down":     {emulator.Fault{Operation: opPut, Code: "SlowDown"}, "text", unix.EIO},
		"put, refused":       {emulator.Fault{Operation: opPut, Code: "AccessDenied"}, "text", unix.EACCES},
		"begin, refused":     {emulator.Fault{Operation: emulator.OpCreateMultipartUpload, Code: "AccessDenied"}, large, unix.EACCES},
		"part, for now":      {emulator.Fault{Operation: emulator.OpUploadPart, Status: 500}, large, unix.EIO},
		"complete, for now":  {emulator.Fault{Operation: emulator.OpCompleteMultipartUpload, Status: 500}, large, unix.EIO},
		"complete, bad body": {emulator.Fault{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.ErrorBody}, large, unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := startEmulator(t, emulator.Options{})
			m := s.mount(t, root(), "--retry-time=1s")
			p := m.start(t)
			if c.fault.Effect == "" {
				c.fault.Effect = emulator.Refuse
			}
			f, err := p.open("file", unix.O_RDWR|unix.O_CREAT)
			ok(t, err)
			_, err = f.pwrite(c.content, 0)
			ok(t, err)
			heal := server.Faults().Add(c.fault)
			fails(t, "fsync", f.fsync(), c.want)
			fails(t, "close", f.close(), c.want)
			got, err := p.readFile("file")
			ok(t, err)
			equal(t, "the mount", got, c.content)
			heal()
			eventually(t, "the file is uploaded", func() bool { return s.exists(t, "file") })
			equal(t, "the object", s.content(t, "file"), c.content)
			for u, err := range s.client.Uploads(t.Context(), s.bucket, "") {
				t.Errorf("an upload was not aborted: %v, %v", u, err)
			}
		})
	}
}

// TestCopyOfAnEmptyFileTellsTheTruth: cp holds a descriptor of another file of
// the same name when it closes its copy.
func TestCopyOfAnEmptyFileTellsTheTruth(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--retry-time=1s")
	source := root().dir(t)
	ok(t, os.WriteFile(source+"/empty", nil, 0o644))
	heal := server.Faults().Add(emulator.Fault{Operation: opPut, Effect: emulator.Refuse, Status: 500})
	if out, err := m.trySh(t, "cp "+source+"/empty empty"); err == nil {
		t.Errorf("cp succeeds, but the bucket has nothing: %s", out)
	}
	heal()
	eventually(t, "the file is uploaded", func() bool { return s.exists(t, "empty") })
}

func TestDeadNetworkIsEIO(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	s.put(t, "read", "text")
	s.put(t, "removed", "text")
	m := s.mount(t, root(), "--retry-time=1s")
	m.mayFail = true // what is written does not arrive
	p := m.start(t)
	_, err := p.lstat("read")
	ok(t, err)
	r, err := p.open("read", unix.O_RDONLY)
	ok(t, err)
	server.HTTP.Close()
	_, err = r.pread(4, 0)
	fails(t, "read", err, unix.EIO)
	fails(t, "close of a new file", p.writeFile("written", "text"), unix.EIO)
	fails(t, "mkdir", p.mkdir("dir"), unix.EIO)
	fails(t, "unlink", p.unlink("removed"), unix.EIO)
	got, err := p.readFile("written")
	ok(t, err)
	equal(t, "what was written", got, "text")
}

func TestFileThatNeverArrivesIsTakenUpByTheNextMount(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	stage := root().dir(t)
	m := s.mount(t, root(), "--retry-time=1s", "--stage-dir="+stage)
	remove := server.Faults().Add(emulator.Fault{Operation: opPut, Effect: emulator.Refuse, Code: "AccessDenied"})
	fails(t, "close", m.start(t).writeFile("file", "what was written"), unix.EACCES)
	if code := m.stop(t); code != 1 {
		t.Errorf("exit code %d after SIGTERM, want 1: something is not in the bucket", code)
	}
	kept, err := filepath.Glob(stage + "/*/data/*")
	ok(t, err)
	if len(kept) != 1 || !strings.Contains(m.log.String(), kept[0]) {
		t.Fatalf("kept are %v, want one file that the log names", kept)
	}
	text, err := os.ReadFile(kept[0])
	ok(t, err)
	equal(t, "the kept copy", string(text), "what was written")
	again := s.mount(t, root(), "--stage-dir="+stage)
	got, err := again.start(t).readFile("file")
	ok(t, err)
	equal(t, "shown before it is uploaded", got, "what was written")
	remove()
	if code := again.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	equal(t, "the object", s.content(t, "file"), "what was written")
}

func TestKilledDaemonLosesNothingThatWasClosed(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *store) {
		stage := root().dir(t)
		m := s.mount(t, root(), "--stage-dir="+stage)
		p := m.start(t)
		ok(t, p.writeFile("closed", "arrived"))
		f, err := p.open("open", unix.O_WRONLY|unix.O_CREAT)
		ok(t, err)
		_, err = f.pwrite("not closed yet", 0)
		ok(t, err)
		m.kill(t)
		_, err = p.lstat("closed")
		fails(t, "a dead mount", err, unix.ENOTCONN)
		p.end()
		if out, code := run(t, s.command(t, root(), "umount", m.path)); code != 0 {
			t.Errorf("umount of a dead mount: exit code %d: %s", code, out)
		}
		again := s.mount(t, root(), "--stage-dir="+stage)
		got, err := again.start(t).readFile("closed")
		ok(t, err)
		equal(t, "closed", got, "arrived")
		if !strings.Contains(again.log.String(), "its writer ended before it was closed") {
			t.Error("the next mount does not tell what is left of the open file")
		}
	})
}

func TestFaultsThatPassAreNotSeen(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	content := random(20 << 20)
	s.put(t, "read", content)
	m := s.mount(t, root())
	p := m.start(t)
	once := func(op string, effect emulator.Effect) {
		server.Faults().Add(emulator.Fault{Operation: op, Effect: effect, Skip: 1, Count: 2, Bytes: 1000})
	}
	once(opGet, emulator.Cut)
	once(opPut, emulator.Lose)
	once(opList, emulator.Refuse)
	once(opDelete, emulator.Lose)
	once(emulator.OpUploadPart, emulator.Lose)
	once(emulator.OpUploadPart, emulator.Refuse)
	got, err := p.readFile("read")
	ok(t, err)
	equal(t, "read through cut bodies", got, content)
	for range 4 {
		ok(t, p.writeFile("small", "written though answers are lost"))
	}
	equal(t, "small", s.content(t, "small"), "written though answers are lost")
	ok(t, p.writeFile("large", content))
	equal(t, "large", s.content(t, "large"), content)
	for _, name := range []string{"small", "large", "read"} {
		ok(t, p.unlink(name))
	}
	if left := s.keys(t, ""); len(left) > 0 {
		t.Errorf("left in the bucket: %q", left)
	}
}
