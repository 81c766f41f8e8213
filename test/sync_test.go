package test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// stallUploads lets uploads wait until release is called.
func stallUploads(server interface{ Faults() *emulator.Faults }) (release func()) {
	return server.Faults().Add(emulator.Fault{Operation: opPut, Effect: emulator.StallHeader})
}

// begin starts a command and returns its output so far, and a channel with its
// exit code.
func begin(t testing.TB, cmd *exec.Cmd) (*logBuffer, <-chan int) {
	t.Helper()
	log := &logBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	ok(t, cmd.Start())
	code := make(chan int, 1)
	go func() {
		_ = cmd.Wait() // the code says it
		code <- cmd.ProcessState.ExitCode()
	}()
	return log, code
}

func TestSyncWaitsForUploads(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--write-back")
	p := m.start(t)
	release := stallUploads(server)
	ok(t, p.writeFile("file", "written behind"))
	log, ended := begin(t, m.command("sync", m.path))
	eventually(t, "sync says what it waits for", func() bool { return strings.Contains(log.String(), "waiting for uploads, 1 with 14B") })
	if s.exists(t, "file") || len(ended) > 0 {
		t.Error("sync does not wait")
	}
	release()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, log)
	}
	equal(t, "the object", s.content(t, "file"), "written behind")
}

func TestSyncSaysWhatIsNotInTheBucket(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--write-back", "--retry-time=1s")
	heal := refuseUploads(server)
	ok(t, m.start(t).writeFile("file", "refused"))
	out := m.ncloudfs(t, 1, "sync", m.path)
	says(t, out, "1 change (7B) is not in the bucket")
	says(t, out, "AccessDenied")
	heal()
	m.ncloudfs(t, 0, "sync", m.path)
}

func TestUmountDrains(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--write-back")
	release := stallUploads(server)
	ok(t, m.start(t).writeFile("file", "written behind"))
	log, ended := begin(t, m.command("umount", m.path))
	eventually(t, "umount says what it waits for", func() bool { return strings.Contains(log.String(), "waiting for uploads, 1 with 14B") })
	if !isMounted(t, m.path) {
		t.Error("unmounted before everything is in the bucket")
	}
	release()
	if code := <-ended; code != 0 || m.wait(t) != 0 {
		t.Errorf("exit code %d: %s", code, log)
	}
	equal(t, "the object", s.content(t, "file"), "written behind")
}

func TestUmountThatIsInterruptedLeavesTheMount(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--write-back")
	release := stallUploads(server)
	ok(t, m.start(t).writeFile("file", "written behind"))
	umount := m.command("umount", m.path)
	log, ended := begin(t, umount)
	eventually(t, "umount waits", func() bool { return strings.Contains(log.String(), "waiting") })
	ok(t, umount.Process.Signal(unix.SIGINT))
	if code := <-ended; code != 1 || !strings.Contains(log.String(), "stays mounted, and its uploads go on") {
		t.Errorf("exit code %d: %s", code, log)
	}
	release()
	m.ncloudfs(t, 0, "sync", m.path)
	m.unmount(t)
}

// TestUnmounting: what is not in the bucket in time is kept, and
// the next mount goes on.
func TestUnmounting(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *mounted) string{
		"umount": func(t *testing.T, m *mounted) string { return m.ncloudfs(t, 1, "umount", m.path, "--drain-time=1s") },
		"SIGTERM": func(t *testing.T, m *mounted) string {
			ok(t, m.process.Process.Signal(unix.SIGTERM))
			m.wait(t)
			return m.log.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, server := startEmulator(t, emulator.Options{})
			drainTime := map[string]string{"umount": "1h", "SIGTERM": "1s"}[name]
			m := s.mount(t, root(), "--write-back", "--drain-time="+drainTime)
			m.mayFail = true
			stallUploads(server)
			ok(t, m.start(t).writeFile("file", "written behind"))
			began := time.Now()
			says(t, end(t, m), "1 change (14B) is not in the bucket yet: kept in "+m.stageDir(t))
			if code := m.wait(t); code != 1 {
				t.Errorf("the daemon's exit code is %d", code)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			if pending := m.pending(t); pending["file"].Size != 14 {
				t.Errorf("pending is %v", pending)
			}
			server.Faults().Clear()
			again := s.mount(t, root(), "--stage-dir="+m.stageDir(t))
			got, err := again.start(t).readFile("file")
			ok(t, err)
			equal(t, "the next mount", got, "written behind")
			again.unmount(t)
			equal(t, "the object", s.content(t, "file"), "written behind")
		})
	}
}

// TestDrainGoesOnAfterUmount8: the daemon goes on, can be asked, and is awaited
// by the next mount.
func TestDrainGoesOnAfterUmount8(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--write-back")
	release := stallUploads(server)
	p := m.start(t)
	ok(t, p.writeFile("file", "written behind"))
	p.end()
	eventually(t, "it is unmounted", func() bool { return !errors.Is(unix.Unmount(m.path, 0), unix.EBUSY) })
	eventually(t, "it drains", func() bool { return m.pending(t, m.path)["file"].Size == 14 })
	if of := m.pending(t); of["file"].Size != 14 {
		t.Errorf("in its stage directory it finds %v", of)
	}
	next := m.command("mount", "-f", s.bucket, m.path)
	log, nextEnded := begin(t, next)
	t.Cleanup(func() {
		_ = next.Process.Kill() // when the test failed
		_ = unix.Unmount(m.path, unix.MNT_DETACH)
	})
	eventually(t, "the successor waits", func() bool { return strings.Contains(log.String(), "waiting for process") })
	waiting, ended := begin(t, m.command("umount", m.path))
	eventually(t, "umount waits, too", func() bool { return strings.Contains(waiting.String(), "waiting for uploads") })
	if isMounted(t, m.path) || len(ended) > 0 {
		t.Errorf("the successor did not wait: %s", log)
	}
	release()
	<-m.ended
	if code := m.process.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := <-ended; code != 0 {
		t.Errorf("umount of what drains: exit code %d: %s", code, waiting)
	}
	equal(t, "the object", s.content(t, "file"), "written behind")
	eventually(t, "the successor mounts", func() bool {
		return isMounted(t, m.path) && strings.Contains(log.String(), "mounted") || len(nextEnded) > 0
	})
	m.ncloudfs(t, 0, "umount", m.path)
	if code := <-nextEnded; code != 0 || t.Failed() {
		t.Errorf("the successor: exit code %d: %s", code, log)
	}
}

func TestSignalDrains(t *testing.T) {
	t.Parallel()
	s, server := startEmulator(t, emulator.Options{})
	m := s.mount(t, root(), "--write-back")
	p := m.start(t)
	release := stallUploads(server)
	for _, name := range []string{"a", "b", "c"} {
		ok(t, p.writeFile(name, name))
	}
	ok(t, p.unlink("b"))
	ok(t, m.process.Process.Signal(unix.SIGTERM))
	eventually(t, "it drains", func() bool { return strings.Contains(m.log.String(), "finishing uploads") })
	release()
	if code := m.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	equal(t, "the bucket", strings.Join(s.keys(t, ""), " "), "a c")
}
