package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/cache"
	"ncloudfs/remote"
)

// idle opens an empty stage directory; its service answers nobody.
func idle(t *testing.T) *cache.Cache {
	t.Helper()
	client, err := remote.New(remote.Options{Endpoint: "http://127.0.0.1:1", Credentials: remote.Credentials{Anonymous: true}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(t.Context(), cache.Options{Client: client, Bucket: "data", StageDir: t.TempDir(), Idle: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// socket is where a test's server listens.
func socket(t *testing.T) string { return filepath.Join(t.TempDir(), "sock") }

// serve serves an empty stage directory.
func serve(t *testing.T) (*Server, *Client) {
	t.Helper()
	path := socket(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, Options{Cache: idle(t), About: Status{Source: "s3://data"}})
	t.Cleanup(func() {
		select {
		case <-s.drained:
		default:
			s.Close()
		}
	})
	return s, dial(path, os.Getpid())
}

func TestStatusSaysWhoAnswers(t *testing.T) {
	t.Parallel()
	s, c := serve(t)
	got, err := c.Status(t.Context())
	if err != nil || got.Source != "s3://data" || got.PID != os.Getpid() || got.State != StateMounted {
		t.Errorf("got %+v, %v", got, err)
	}
	_, cancel := s.Ending(t.Context(), time.Hour)
	defer cancel()
	if got, err = c.Status(t.Context()); err != nil || got.State != StateDraining {
		t.Errorf("at the end: got %+v, %v", got, err)
	}
	if pending, err := c.Pending(t.Context()); err != nil || pending == nil || len(pending) > 0 {
		t.Errorf("pending: %v, %v", pending, err)
	}
	c.pid++
	if _, err := c.Status(t.Context()); !errors.Is(err, errGone) {
		t.Errorf("a successor answers: %v", err)
	}
	c.pid--
	if err := c.Discard(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "name the ids") {
		t.Errorf("discard nothing: %v", err)
	}
}

func TestSocketIsForItsUserAndRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	s, _ := serve(t)
	defer s.Close()
	path := socket(t)
	for dir := path; dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(filepath.Dir(dir), 0o755)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // as if the mode did not protect it
		t.Fatal(err)
	}
	open := Serve(l, Options{Cache: s.cache})
	defer open.Close()
	stranger := dial(path, os.Getpid())
	stranger.http.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return connectAs(65534, path) }}
	if _, err := stranger.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "only user 0 and root") {
		t.Errorf("another user gets %v", err)
	}
	if _, err := dial(path, os.Getpid()).Status(t.Context()); err != nil {
		t.Errorf("root gets %v", err)
	}
}

// connectAs connects on a thread that is another user's, and ends with it.
func connectAs(uid int, path string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			done <- result{nil, err}
			return
		}
		f := os.NewFile(uintptr(fd), path)
		defer f.Close()
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.FileConn(f)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

func TestSocketPathThatIsTooLongIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "107: set XDG_RUNTIME_DIR") {
		t.Errorf("got %v", err)
	}
	if s := start(path, Options{Logger: slog.New(slog.DiscardHandler)}); s != nil {
		t.Error("a server without a socket")
	}
}

func TestSocketThatACrashLeftIsReplaced(t *testing.T) {
	t.Parallel()
	path := socket(t)
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	if _, err := dial(path, 7).Status(t.Context()); !errors.Is(err, errGone) || !strings.Contains(err.Error(), "process 7") {
		t.Errorf("nobody listens: %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestStoppedDaemonIsGivenUpAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l, err := net.Listen("unix", path) // accepts nothing, as a stopped process
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// One that stops in the middle of an answer: it does not take further connections.
	halfway := filepath.Join(t.TempDir(), "sock")
	l, err = net.Listen("unix", halfway)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			t.Cleanup(func() { c.Close() })
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n{\"backlog\":{}}\n")
		}
	}()
	c := dial(path, 7)
	began := time.Now()
	var all sync.WaitGroup
	for name, ask := range map[string]func(context.Context) error{
		"status":  func(ctx context.Context) error { _, err := c.Status(ctx); return err },
		"sync":    func(ctx context.Context) error { return c.Sync(ctx, func(cache.Backlog) {}) },
		"export":  func(ctx context.Context) error { return c.Export(ctx, "id", io.Discard) },
		"halfway": func(ctx context.Context) error { return dial(halfway, 7).Sync(ctx, func(cache.Backlog) {}) },
	} {
		all.Go(func() {
			if err := ask(t.Context()); err == nil || !strings.Contains(err.Error(), "process 7 does not answer") {
				t.Errorf("%s: got %v", name, err)
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("%s took %s", name, took)
			}
		})
	}
	all.Wait()
}
