package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

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
	env      []string             // the keys, as the program reads them
	binary   string               // the program's path; empty: the one that build makes
	emulator *emulatortest.Server // nil: Ceph
}

// startEmulator serves an emulator with an empty bucket "data".
func startEmulator(t testing.TB, o emulator.Options) (*store, *emulatortest.Server) {
	t.Helper()
	server := emulatortest.Start(t, o)
	s := newStore(t, server.URL, "data")
	s.emulator = server
	theMode().upset(server)
	return s, server
}

// newStore makes a bucket of alice's.
func newStore(t testing.TB, endpoint, bucket string) *store {
	t.Helper()
	alice := emulatortest.Alice()
	client, err := remote.New(remote.Options{Endpoint: endpoint, Region: "kr",
		Credentials: keysOf(alice)})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), bucket, ""); err != nil {
		t.Fatal(err)
	}
	return &store{endpoint: endpoint, bucket: bucket, client: client, env: keysEnv(alice.AccessKey, alice.SecretKey)}
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

// dirPrefix begins the names of the tests' directories; their process follows.
const dirPrefix = "ncloudfs-dir-"

// dir makes an empty directory that belongs to who, below one that who can
// enter.
func (who owner) dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprint(dirPrefix, os.Getpid(), "-"))
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

// quickExit spares programs with the race detector a second at their end.
const quickExit = "GORACE=atexit_sleep_ms=0"

// notLate: the servers of the tests do nothing late but what LoseLate asks for.
const notLate = "NCLOUDFS_LATE_TIME=500ms"

// command prepares the program to be run by who, with a state directory of its
// own, the keys of s and nothing else of the environment that it reads.
func (s *store) command(t testing.TB, who owner, args ...string) *exec.Cmd {
	t.Helper()
	path := s.binary
	if path == "" {
		path = build(t)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + who.dir(t), "XDG_STATE_HOME=" + who.dir(t),
		"NCLOUDFS_ENDPOINT=" + s.endpoint, "NCLOUDFS_STAGE_DIR=" + who.dir(t), notLate, quickExit}, slices.Concat(theMode().environ(), s.env)...)
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

// putMany stores n objects dir/0000, dir/0001 and so on, as another client; with
// options of their own, unless that is nil.
func (s *store) putMany(t testing.TB, dir string, n int, content string, options func(i int) remote.PutOptions) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			var o remote.PutOptions
			if options != nil {
				o = options(i)
			}
			_, err := s.client.Put(contextOf(t), s.path(fmt.Sprintf("%s/%04d", dir, i)), strings.NewReader(content), int64(len(content)), o)
			return err
		})
	}
	ok(t, g.Wait())
}
