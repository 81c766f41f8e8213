package test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// change is a line of `ncloudfs pending --json`.
type change struct {
	Source string    `json:"source"`
	Path   string    `json:"path"`
	ID     string    `json:"id"`
	State  string    `json:"state"`
	Size   int64     `json:"size"`
	Since  time.Time `json:"since"`
	Error  string    `json:"error"`
}

// pending lists what is not in the bucket, by path. args say where to look.
func (m *mounted) pending(t testing.TB, args ...string) map[string]change {
	t.Helper()
	var all []change
	out := m.ncloudfs(t, 0, append([]string{"pending", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	byPath := map[string]change{}
	for _, c := range all {
		byPath[c.Path] = c
	}
	return byPath
}

// says checks what a command printed.
func says(t testing.TB, out, want string) {
	t.Helper()
	if !strings.Contains(out, want) {
		t.Errorf("got %q, want it to say %q", out, want)
	}
}

// exported checks a file that was exported.
func exported(t testing.TB, path, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	ok(t, err)
	equal(t, path, string(text), want)
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
}

func TestPendingChanges(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--retry-time=1s")
	p := m.start(t)
	out := root().dir(t)
	s.put(t, "edited", strings.Repeat("old ", 1000))
	repair := refuseUploads(server)
	fails(t, "close", p.writeFile("new", "what was written"), unix.EACCES)
	f, err := p.open("edited", unix.O_WRONLY)
	ok(t, err)
	_, err = f.pwrite("new", 2000)
	ok(t, err)
	fails(t, "close", f.close(), unix.EACCES)

	pending := m.pending(t, m.path)
	if len(pending) != 2 {
		t.Errorf("pending is %v", pending)
	}
	c := pending["new"]
	if c.Size != 16 || c.State != "failed" || !strings.Contains(c.Error, "AccessDenied") || c.Source != "s3://data" ||
		time.Since(c.Since).Abs() > time.Minute {
		t.Errorf("got %+v", c)
	}
	table := m.ncloudfs(t, 0, "pending", m.path)
	for _, want := range []string{"new", "edited", "16B", "failed", "AccessDenied", c.ID} {
		says(t, table, want)
	}

	m.ncloudfs(t, 0, "pending", m.path, "new", "--export", out+"/new")
	exported(t, out+"/new", "what was written")
	m.ncloudfs(t, 0, "pending", m.path, m.path+"/edited", "--export", out+"/edited")
	exported(t, out+"/edited", strings.Repeat("old ", 500)+"new"+strings.Repeat("old ", 1000)[2003:])
	says(t, m.ncloudfs(t, 1, "pending", m.path, c.ID, "--export", out+"/new"), "file exists")
	says(t, m.ncloudfs(t, 1, "pending", m.path, c.ID, "--export", m.path+"/copy"), "in the mount itself")
	ok(t, os.Symlink(m.path, out+"/link"))
	says(t, m.ncloudfs(t, 1, "pending", m.path, c.ID, "--export", out+"/link/copy"), "in the mount itself")
	says(t, m.ncloudfs(t, 1, "pending", m.path, "--retry", "new"), "AccessDenied")
	says(t, m.ncloudfs(t, 1, "pending", m.path, "--retry", "nosuch"), "nosuch")
	says(t, m.ncloudfs(t, 1, "sync", m.path), "AccessDenied")

	repair()
	m.ncloudfs(t, 0, "pending", m.path, "--retry", "--all") // by name it may be too late: it is tried by itself, too
	s.holds(t, "new", "what was written")
	m.ncloudfs(t, 0, "sync", m.path)
	if left := m.ncloudfs(t, 0, "pending", m.path); left != "" {
		t.Errorf("left is %s", left)
	}
}

func TestDiscardShowsWhatTheBucketHas(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--retry-time=1s")
	p := m.start(t)
	s.put(t, "file", "theirs")
	refuseUploads(server)
	for name, content := range map[string]string{"file": "ours", "new": "ours"} {
		fails(t, "close", p.writeFile(name, content), unix.EACCES)
	}
	f, err := p.open("file", unix.O_RDONLY)
	ok(t, err)
	says(t, m.ncloudfs(t, 1, "pending", m.path, "--discard", "file"), "open in a program")
	ok(t, f.close())
	m.ncloudfs(t, 0, "pending", m.path, "--discard", "file", "new")
	got, err := p.readFile("file")
	ok(t, err)
	equal(t, "the mount", got, "theirs")
	_, err = p.lstat("new")
	fails(t, "lstat of what is in no bucket", err, unix.ENOENT)
	if left := m.pending(t, m.path); len(left) > 0 {
		t.Errorf("left is %v", left)
	}
	m.unmount(t)
	if kept := filesIn(t, m.stageDir(t)); strings.Contains(kept, "ours") {
		t.Error("the local bytes are kept")
	}
}

func TestPendingWithoutAMount(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--retry-time=1s")
	p := m.start(t)
	out := root().dir(t)
	repair := refuseUploads(server)
	for _, name := range []string{"exported", "discarded", "retried"} {
		fails(t, "close", p.writeFile(name, name+" here"), unix.EACCES)
	}
	f, err := p.open("open", unix.O_WRONLY|unix.O_CREAT)
	ok(t, err)
	eventually(t, "the journal knows what was written", func() bool { // it looks once a second
		_, err = f.pwrite("never closed", 0)
		return err != nil || m.pending(t, m.path)["open"].Size == 12
	})
	ok(t, err)
	m.kill(t)
	p.end()
	says(t, m.ncloudfs(t, 1, "pending", m.path), "is a dead mount")
	m.ncloudfs(t, 0, "umount", m.path)
	says(t, m.ncloudfs(t, 1, "pending", m.path), "nothing is mounted")

	m.process.Env = append(m.process.Env, "NCLOUD_ACCESS_KEY=", "NCLOUD_SECRET_KEY=") // no keys are needed but to retry
	stage := "--stage-dir=" + m.stageDir(t)
	pending := m.pending(t) // the environment says where
	if len(pending) != 4 || pending["exported"].State != "failed" || pending["open"].State != "open" {
		t.Errorf("got %v", pending)
	}
	m.ncloudfs(t, 0, "pending", stage, "exported", "--export", out+"/exported")
	exported(t, out+"/exported", "exported here")
	m.ncloudfs(t, 0, "pending", stage, "s3://data/open", "--export", out+"/open")
	exported(t, out+"/open", "never closed")
	m.ncloudfs(t, 0, "pending", stage, "--discard", pending["discarded"].ID)
	m.ncloudfs(t, 1, "pending", stage, "--retry", "retried")

	m.process.Env = append(m.process.Env, s.env...)
	m.ncloudfs(t, 1, "pending", stage, "--retry", "retried")
	repair()
	m.ncloudfs(t, 0, "pending", stage, "--retry", "retried", "open")
	s.holds(t, "retried", "retried here")
	s.holds(t, "open", "never closed")
	if pending = m.pending(t, stage); len(pending) != 1 || pending["exported"].Size == 0 {
		t.Errorf("left is %v", pending)
	}
	if out := m.ncloudfs(t, 0, "pending", "--stage-dir="+out); out != "" {
		t.Errorf("a directory without journals: %s", out)
	}

	again := s.mount(t, root(), stage)
	again.ncloudfs(t, 0, "sync", again.path)
	s.holds(t, "exported", "exported here")
}

func TestPendingOfADirectoryInUseAsksItsMount(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--retry-time=1s")
	refuseUploads(server)
	fails(t, "close", m.start(t).writeFile("file", "text"), unix.EACCES)
	if pending := m.pending(t); pending["file"].State != "failed" {
		t.Errorf("got %v", pending)
	}
	dir := root().dir(t)
	out := m.ncloudfs(t, 1, "mount", "-f", s.bucket, dir)
	says(t, out, "has this source mounted")
	says(t, out, "its mount point is "+m.path)
	m.ncloudfs(t, 0, "pending", "--stage-dir="+m.stageDir(t), "--discard", "file")
	if pending := m.pending(t, m.path); len(pending) > 0 {
		t.Errorf("got %v", pending)
	}
}

func TestReadOnlyMountHasNothingPending(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--read-only")
	if pending := m.pending(t, m.path); len(pending) > 0 {
		t.Errorf("got %v", pending)
	}
	m.ncloudfs(t, 0, "sync", m.path)
	m.ncloudfs(t, 1, "pending", m.path, "--retry", "file")
	m.unmount(t)
}

func TestStoppedDaemonIsReported(t *testing.T) {
	t.Parallel()
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	ok(t, m.process.Process.Signal(unix.SIGSTOP))
	began := time.Now()
	says(t, m.ncloudfs(t, 1, "sync", m.path), "does not answer")
	if took := time.Since(began); took > 8*time.Second { // five, and the start of the program
		t.Errorf("it took %s to find out", took)
	}
	ok(t, m.process.Process.Signal(unix.SIGCONT))
	m.ncloudfs(t, 0, "sync", m.path)
}

func TestRootSteersTheMountsOfUsers(t *testing.T) {
	t.Parallel()
	requireUser(t)
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, nobody(), "--retry-time=1s")
	refuseUploads(server)
	if out, err := m.trySh(t, "echo hello | dd of=file status=none"); err == nil {
		t.Errorf("written: %s", out)
	}
	for _, who := range []owner{nobody(), root()} {
		m.who = who
		if pending := m.pending(t, m.path); pending["file"].State != "failed" {
			t.Errorf("%v: got %v", who, pending)
		}
	}
	m.ncloudfs(t, 0, "pending", m.path, "--discard", "file")
	m.who = nobody()
	roots := s.mount(t, root())
	says(t, m.ncloudfs(t, 1, "pending", roots.path), "user 0 has mounted")
}
