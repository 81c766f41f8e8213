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

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// store is a bucket that can be mounted, and a client that sees it as any
// other S3 tool does.
type store struct {
	endpoint string
	bucket   string
	client   *remote.Client
	env      []string // the keys, as the program reads them
}

// startEmulator serves an emulator with an empty bucket "data".
func startEmulator(t testing.TB, o emulator.Options) (*store, *emulatortest.Server) {
	t.Helper()
	server := emulatortest.Start(t, o)
	return newStore(t, server.URL, "data"), server
}

// newStore makes a bucket of alice's.
func newStore(t testing.TB, endpoint, bucket string) *store {
	t.Helper()
	alice := emulatortest.Alice()
	client, err := remote.New(remote.Options{Endpoint: endpoint, Region: "kr",
		Credentials: remote.Credentials{AccessKey: alice.AccessKey, SecretKey: remote.Secret(alice.SecretKey)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), bucket, ""); err != nil {
		t.Fatal(err)
	}
	return &store{endpoint, bucket, client, keysEnv(alice.AccessKey, alice.SecretKey)}
}

func keysEnv(access, secret string) []string {
	return []string{"NCLOUD_ACCESS_KEY=" + access, "NCLOUD_SECRET_KEY=" + secret}
}

// owner is who runs the program.
type owner struct {
	uid, gid int
}

// root runs tests as they are; nobody is an ordinary user with fusermount3.
func root() owner   { return owner{0, 0} }
func nobody() owner { return owner{65534, 65534} }

// dir makes an empty directory that belongs to who, below one that who can
// enter.
func (who owner) dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ncloudfs-dir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	if err := os.Chown(dir, who.uid, who.gid); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command prepares the program to be run by who, with a state directory of its
// own, the keys of s and nothing else of the environment that it reads.
func (s *store) command(t testing.TB, who owner, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(build(t), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + who.dir(t), "XDG_STATE_HOME=" + who.dir(t),
		"NCLOUDFS_ENDPOINT=" + s.endpoint, "NCLOUDFS_STAGE_DIR=" + who.dir(t)}, s.env...)
	who.become(cmd)
	return cmd
}

// become makes cmd run as who.
func (who owner) become(cmd *exec.Cmd) {
	if who.uid != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)}}
	}
}

// asOwner prepares any other command to be run by who.
func asOwner(who owner, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	who.become(cmd)
	return cmd
}

// run runs a command to its end and returns what it printed and its exit code.
func run(t testing.TB, cmd *exec.Cmd) (output string, code int) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%q: %v", cmd.Args, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// mounted is a mount that a child process serves in the foreground.
type mounted struct {
	path    string
	process *exec.Cmd
	log     *logBuffer
	ended   chan struct{} // closed when the process ended
}

// mount mounts s as who, with more options, and unmounts at the test's end.
func (s *store) mount(t testing.TB, who owner, options ...string) *mounted {
	t.Helper()
	requireFUSE(t)
	m := &mounted{path: who.dir(t), log: &logBuffer{}, ended: make(chan struct{})}
	args := append([]string{"mount", "-f", s.bucket, m.path}, options...)
	m.process = s.command(t, who, args...)
	m.process.Stderr = m.log
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.process.Wait() // the tests look at ProcessState
		close(m.ended)
	}()
	t.Cleanup(func() { m.stop(t) })
	if !await(20*time.Second, func() bool { return isMounted(t, m.path) || m.hasEnded() }) || m.hasEnded() {
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
		t.Errorf("still mounted on %s after its process ended:\n%s", m.path, m.log)
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
