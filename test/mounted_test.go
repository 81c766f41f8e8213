package test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mounted is a mount that a child process serves in the foreground.
type mounted struct {
	store   *store
	path    string
	who     owner
	process *exec.Cmd
	log     *logBuffer
	ended   chan struct{} // closed when the process ended
	mayFail bool          // an exit code other than 0 at the test's end is expected

	mayPanic bool // in one operation
}

// mount mounts s as who, with more options, and unmounts at the test's end.
func (s *store) mount(t testing.TB, who owner, options ...string) *mounted {
	t.Helper()
	m := s.launch(t, who, options...)
	if m.hasEnded() {
		t.Fatalf("%q does not mount:\n%s", options, m.log)
	}
	return m
}

// launch is mount, but the process may end before it has mounted.
func (s *store) launch(t testing.TB, who owner, options ...string) *mounted {
	t.Helper()
	requireFUSE(t)
	m := &mounted{store: s, path: who.dir(t), who: who, log: &logBuffer{}, ended: make(chan struct{})}
	args := append([]string{"mount", "-f", s.bucket, m.path}, options...)
	m.process = s.command(t, who, args...)
	m.process.Stderr = m.log
	if m.process.SysProcAttr == nil {
		m.process.SysProcAttr = &syscall.SysProcAttr{}
	}
	m.process.SysProcAttr.Pdeathsig = unix.SIGKILL // when the tests are killed
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	running.add(m)
	go func() {
		_ = m.process.Wait() // the tests look at ProcessState
		running.remove(m)
		close(m.ended)
	}()
	t.Cleanup(func() { m.finish(t) })
	ready := func() bool { return isMounted(t, m.path) && strings.Contains(m.log.String(), "mounted") }
	if !await(20*time.Second, func() bool { return ready() || m.hasEnded() }) {
		t.Fatalf("%q does not mount:\n%s", args, m.log)
	}
	return m
}

func (m *mounted) hasEnded() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// finish ends the mount at the end of its test, whatever state it is in.
func (m *mounted) finish(t testing.TB) {
	t.Helper()
	if !m.hasEnded() {
		if code := m.stop(t); code != 0 && !m.mayFail {
			t.Errorf("exit code %d after SIGTERM", code)
		}
	}
	_ = unix.Unmount(m.path, unix.MNT_DETACH) // only when the test failed, and the daemon was told to dump its stacks
	for _, alarm := range []string{"DATA RACE", "internal error in one operation", "panic: "} {
		if strings.Contains(m.log.String(), alarm) && !m.mayPanic {
			t.Errorf("the log says %q", alarm)
		}
	}
	if t.Failed() {
		log, stacks, _ := strings.Cut(m.log.String(), "SIGQUIT: quit")
		t.Logf("the end of the daemon's log:\n%s%s", log[max(0, len(log)-16<<10):], ours(stacks))
	}
}

// ours returns the goroutines of a dump that are in the program's own code.
func ours(stacks string) string {
	var kept strings.Builder
	for _, g := range strings.Split(stacks, "\n\n") {
		if strings.Contains(g, "ncloudfs/fs.") || strings.Contains(g, "ncloudfs/cache.") {
			kept.WriteString(g + "\n\n")
		}
	}
	return kept.String()
}

// dump makes a daemon that hangs print its stacks and end, which ends all that
// waits for it.
func (m *mounted) dump() { _ = m.process.Process.Signal(unix.SIGQUIT) } // may have ended

// kill ends the daemon as a crash would. The dead mount stays.
func (m *mounted) kill(t testing.TB) {
	t.Helper()
	ok(t, m.process.Process.Kill())
	<-m.ended
}

// unmount unmounts by the command, which must succeed, as must the daemon.
func (m *mounted) unmount(t testing.TB) {
	t.Helper()
	m.ncloudfs(t, 0, "umount", m.path)
	if code := m.wait(t); code != 0 {
		t.Errorf("exit code %d after umount", code)
	}
}

// command prepares the program to be run by who mounted, with the mount's
// environment.
func (m *mounted) command(args ...string) *exec.Cmd {
	cmd := exec.Command(m.process.Path, args...)
	cmd.Env = m.process.Env
	m.who.become(cmd)
	return cmd
}

// ncloudfs runs the program as who mounted and returns what it printed. It
// must end with this exit code.
func (m *mounted) ncloudfs(t testing.TB, code int, args ...string) string {
	t.Helper()
	out, got := run(t, m.command(args...))
	if got != code {
		t.Errorf("%q: exit code %d, want %d: %s", args, got, code, out)
	}
	return out
}

// stop sends SIGTERM, which finishes uploads and unmounts, and returns the
// exit code.
func (m *mounted) stop(t testing.TB) int {
	t.Helper()
	if !m.hasEnded() {
		if err := m.process.Process.Signal(unix.SIGTERM); err != nil && !m.hasEnded() {
			t.Errorf("SIGTERM: %v", err)
		}
	}
	return m.wait(t)
}

// wait waits for the end of a process that was told to stop, and returns its
// exit code.
func (m *mounted) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-m.ended:
	case <-time.After(time.Minute):
		t.Errorf("does not end after SIGTERM:\n%s", m.log)
		_ = unix.Unmount(m.path, unix.MNT_DETACH)
		_ = m.process.Process.Kill()
		<-m.ended
	}
	if isMounted(t, m.path) {
		t.Errorf("still mounted on %s after its process ended", m.path)
		_ = unix.Unmount(m.path, unix.MNT_DETACH)
	}
	return m.process.ProcessState.ExitCode()
}

// isMounted looks into mountinfo: a stat on a stopped mount would hang.
func isMounted(t testing.TB, path string) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), " "+path+" ")
}

// await waits for a condition.
func await(atMost time.Duration, condition func() bool) bool {
	for end := time.Now().Add(atMost); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	return condition()
}

// logBuffer keeps what a running process prints.
type logBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
