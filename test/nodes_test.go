package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ncloudfs/remote/emulator"
)

// TestKernelForgetsNodesBeyondTheBound: not those that are in use.
func TestKernelForgetsNodesBeyondTheBound(t *testing.T) {
	t.Parallel()
	const files, bound = 5000, 32 << 20 / 8 / 1024 // an eighth of the memory, 1 KiB each
	s, _ := startEmulator(t, emulator.Options{})
	s.putMany(t, "dir", files, "text", nil)
	s.put(t, "dir/place/file", "text")
	m := s.mount(t, root(), "--memory=32M")
	p := m.start(t)
	f, err := p.open("dir/0000", unix.O_RDONLY)
	ok(t, err)
	out := m.sh(t, `cd dir/place; (cd "$OLDPWD"; ls -l dir | wc -l; stat dir/* | grep -c Size:); test "$(/bin/pwd)" = "$PWD" && cat file`)
	equal(t, "what the shell says", out, fmt.Sprintf("%d\n%d\ntext", files+2, files+1))
	eventually(t, "the kernel has forgotten nodes", func() bool {
		n := m.status(t).Nodes
		return n > bound/2 && n <= bound*9/8
	})
	data, err := f.pread(10, 0)
	ok(t, err)
	equal(t, "the open file", data, "text")
	equal(t, "files that were forgotten and are not", m.sh(t, "cat dir/0001 dir/4999"), "texttext")
}

// status is what a daemon says of itself.
type status struct {
	Nodes  int
	Memory memory
}

// memory is what a daemon has of bytes.
type memory struct{ Limit, Blocks, Bodies, Names int64 }

func (m *mounted) status(t testing.TB) status {
	t.Helper()
	socket := m.socket(t)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Get("http://ncloudfs/v1/status")
	ok(t, err)
	defer answer.Body.Close()
	var s status
	ok(t, json.NewDecoder(answer.Body).Decode(&s))
	return s
}

// socket returns where a daemon of root's listens.
// socket is the daemon's: one that a daemon answers, since others that were killed
// have left theirs, perhaps with the same process id.
func (m *mounted) socket(t testing.TB) string {
	t.Helper()
	locks, err := filepath.Glob("/run/ncloudfs/*.lock")
	ok(t, err)
	for _, lock := range locks {
		socket := strings.TrimSuffix(lock, ".lock") + ".sock"
		if pid, err := os.ReadFile(lock); err != nil || string(pid) != strconv.Itoa(m.process.Process.Pid) {
			continue
		}
		if c, err := net.Dial("unix", socket); err == nil {
			ok(t, c.Close())
			return socket
		}
	}
	t.Fatal("the daemon has no socket")
	return ""
}
