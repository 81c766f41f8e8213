package test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// badMount is a mount that must fail.
type badMount struct {
	want   string                         // part of the one line
	who    owner                          // zero: root
	store  func(*testing.T) *store        // nil: a healthy emulator
	args   []string                       // in place of BUCKET MOUNTPOINT and further options; DIR is an empty directory
	wrap   string                         // shell commands to run first in a mount namespace of its own; DIR as above
	env    []string                       // more of the environment
	before func(t *testing.T, dir string) // makes DIR bad
}

// check runs the mount in the foreground and in the background and looks at
// what is said and what is left.
func (b *badMount) check(t *testing.T) {
	requireFUSE(t)
	if b.who != root() {
		requireUser(t)
	}
	s := b.theStore(t)
	dir := b.who.dir(t)
	if b.before != nil {
		b.before(t, dir)
	}
	args := b.args
	if args == nil {
		args = []string{s.bucket, "DIR"}
	}
	for _, foreground := range []string{"--foreground=true", "--foreground=false"} {
		line := append([]string{"mount", foreground}, args...)
		for i := range line {
			line[i] = strings.ReplaceAll(line[i], "DIR", dir)
		}
		cmd := s.command(t, b.who, line...)
		cmd.Env = append(cmd.Env, b.env...)
		if b.wrap != "" {
			inNamespace(cmd, strings.ReplaceAll(b.wrap, "DIR", dir))
		}
		began := time.Now()
		out, code := run(t, cmd)
		if code != 1 {
			t.Errorf("%s: exit code %d, want 1\n%s", foreground, code, out)
		}
		if !strings.Contains(out, b.want) || strings.Count(strings.TrimSpace(out), "\n") != 0 {
			t.Errorf("%s: says\n%swant one line with %q", foreground, out, b.want)
		}
		if strings.Contains(out, emulatortest.Alice().SecretKey) || strings.Contains(out, "wrongSecret") {
			t.Errorf("%s: shows a secret: %s", foreground, out)
		}
		if isMounted(t, dir) {
			t.Errorf("%s: something is mounted", foreground)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: took %s", foreground, took)
		}
	}
}

func (b *badMount) theStore(t *testing.T) *store {
	if b.store != nil {
		return b.store(t)
	}
	s, _ := startEmulator(t, emulator.Options{})
	return s
}

// inNamespace makes cmd run after some shell commands, with what they mount
// seen by nobody else.
func inNamespace(cmd *exec.Cmd, shell string) {
	cmd.Args = append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", shell + ` && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = exec.LookPath("unshare")
}

// with returns a healthy store that change has made bad.
func with(change func(*store)) func(*testing.T) *store {
	return func(t *testing.T) *store {
		s, _ := startEmulator(t, emulator.Options{})
		change(s)
		return s
	}
}

// late is a store whose clock is ahead.
func late(ahead time.Duration) func(*testing.T) *store {
	return func(t *testing.T) *store {
		now := func() time.Time { return time.Now().Add(ahead) }
		s := emulatortest.Start(t, emulator.Options{Clock: now})
		dated := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
			s.ServeHTTP(w, r)
		}))
		t.Cleanup(dated.Close)
		a := emulatortest.Alice()
		return &store{endpoint: dated.URL, bucket: "data", env: keysEnv(a.AccessKey, a.SecretKey)}
	}
}

// website answers like a captive portal or a web server.
func website(t *testing.T) *store {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html><body>Welcome</body></html>"))
	}))
	t.Cleanup(page.Close)
	a := emulatortest.Alice()
	return &store{endpoint: page.URL, bucket: "data", env: keysEnv(a.AccessKey, a.SecretKey)}
}

func TestBadInputGetsOneClearLine(t *testing.T) {
	alice := emulatortest.Alice()
	for name, bad := range map[string]badMount{
		"no credentials":               {want: "no access key and secret key found", store: with(func(s *store) { s.env = nil })},
		"half the credentials":         {want: "NCLOUD_SECRET_KEY is not", store: with(func(s *store) { s.env = s.env[:1] })},
		"wrong secret key":             {want: "the secret key does not belong", store: with(func(s *store) { s.env = keysEnv(alice.AccessKey, "wrongSecret") })},
		"unknown access key":           {want: "no such access key", store: with(func(s *store) { s.env = keysEnv("AKNOBODY", "wrongSecret") })},
		"somebody else's bucket":       {want: "not allowed", store: with(func(s *store) { b := emulatortest.Bob(); s.env = keysEnv(b.AccessKey, b.SecretKey) })},
		"unreadable profile":           {want: `for profile "nosuch"`, args: []string{"data", "DIR", "--profile=nosuch"}},
		"no keys for a private bucket": {want: "--anonymous", args: []string{"data", "DIR", "--anonymous"}},

		"wrong bucket":       {want: "NoSuchBucket", args: []string{"no-such-bucket", "DIR"}},
		"wrong region":       {want: "region", args: []string{"data", "DIR", "--region=jp"}},
		"unknown region":     {want: "unknown region", args: []string{"data", "DIR", "--region=mars"}, env: []string{"NCLOUDFS_ENDPOINT="}},
		"wrong product host": {want: "not the answer of an object store", store: website},
		"nobody listens":     {want: "nobody listens there", store: with(func(s *store) { s.endpoint = "http://127.0.0.1:1" })},
		"no such host":       {want: "no such host", store: with(func(s *store) { s.endpoint = "http://no-such-host.invalid" })},
		"no TLS there":       {want: "http:// instead of https://", store: with(func(s *store) { s.endpoint = strings.Replace(s.endpoint, "http:", "https:", 1) })},
		"clock behind":       {want: "behind the server", store: late(time.Hour)},
		"clock ahead":        {want: "ahead of the server", store: late(-time.Hour)},

		"mount point missing":         {want: "does not exist; make it: mkdir -p", args: []string{"data", "DIR/missing"}},
		"mount point not empty":       {want: "is not empty", before: func(t *testing.T, dir string) { write(t, filepath.Join(dir, "file")) }},
		"mount point not a directory": {want: "is not a directory", args: []string{"data", "DIR/file"}, before: func(t *testing.T, dir string) { write(t, filepath.Join(dir, "file")) }},
		"no /dev/fuse":                {want: "/dev/fuse does not exist", wrap: "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3"},
		"no fusermount3":              {want: "fusermount3 is not installed", who: nobody(), env: []string{"PATH=/nonexistent"}},

		"full stage directory":      {want: "no space left on device", args: []string{"data", "DIR", "--stage-dir=/mnt"}, wrap: "mount -t tmpfs -o size=64k,mode=700 none /mnt && { cat /dev/zero > /mnt/full 2>/dev/null || true; }"},
		"read-only stage directory": {want: "read-only file system", args: []string{"data", "DIR", "--stage-dir=/mnt"}, wrap: "mount -t tmpfs -o ro,mode=700 none /mnt"},
		"stage directory is a file": {want: "stage directory", args: []string{"data", "DIR/mnt", "--stage-dir=DIR/file"}, before: func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "file"))
			makeDir(t, filepath.Join(dir, "mnt"))
		}},
		"foreign stage directory": {want: "belongs to user 0", who: nobody(), args: []string{"data", "DIR", "--stage-dir=/var/tmp"}},

		"unknown option":      {want: "did you mean --read-only?", args: []string{"data", "DIR", "--readonly"}},
		"unknown -o option":   {want: "did you mean metadata-ttl?", args: []string{"data", "DIR", "-o", "metadata_tll=3"}},
		"contradiction":       {want: "contradicts", args: []string{"data", "DIR", "-o", "ro,rw"}},
		"bucket of @":         {want: "is the whole SOURCE", args: []string{"@/data", "DIR"}},
		"keys on the command": {want: "keys are never options", args: []string{"data", "DIR", "--secret-key=wrongSecret"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad.check(t)
		})
	}
}

func TestMountingTwiceIsRefused(t *testing.T) {
	s, _ := startEmulator(t, emulator.Options{})
	m := s.mount(t, root())
	out, code := run(t, s.command(t, root(), "mount", s.bucket, m.path))
	if code != 1 || !strings.Contains(out, "already mounted") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code := m.stop(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, m.log)
	}
}

func write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func makeDir(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(name, 0o755); err != nil {
		t.Fatal(err)
	}
}
