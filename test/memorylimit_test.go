package test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// TestMemoryLimit: under the limit of its cgroup a mount takes its share of it,
// and four programs that read and two that write large files at once are slower,
// but get their bytes.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const limit, size = 256 << 20, 96 << 20
	s, _ := startEmulator(t, emulator.Options{})
	data := random(size)
	sum := sha256.Sum256([]byte(data))
	want := strings.Repeat(hex.EncodeToString(sum[:])+"  -\n", 4)
	local := localDir(t)
	ok(t, os.WriteFile(local.path("data"), []byte(data), 0o600))
	s.put(t, "r0", data)
	for _, key := range []string{"r1", "r2", "r3"} {
		_, err := s.client.Copy(t.Context(), s.path(key), s.path("r0"), remote.CopyOptions{})
		ok(t, err)
	}
	s.binary = inCgroup(t, releaseBinary(t), limit)
	m := s.mount(t, root())
	began := time.Now()
	stop := m.watchMemory(t)
	got := m.shell().run(t, time.Minute, `
		for i in 0 1; do cp "$1" w$i & done
		for i in 0 1 2 3; do sha256sum < r$i & done
		wait`, local.path("data"))
	stop()
	equal(t, "the sums of what is read", got, want)
	peak := peakMemory(t, m.process.Process.Pid)
	t.Logf("%.1f s, peak memory %d MiB", time.Since(began).Seconds(), peak>>20)
	if peak > limit {
		t.Errorf("peak memory is %d MiB, want at most %d", peak>>20, limit>>20)
	}
	m.unmount(t)
	for _, key := range []string{"w0", "w1"} {
		if s.content(t, key) != data {
			t.Errorf("%s has other bytes than were written", key)
		}
	}
}

// watchMemory looks at what the daemon counts until stop is called: each kind is
// there at some time, and all of them are never more than their limit.
func (m *mounted) watchMemory(t testing.TB) (stop func()) {
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		var most memory
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			now := m.status(t).Memory
			most = memory{now.Limit, max(most.Blocks, now.Blocks), max(most.Bodies, now.Bodies), max(most.Names, now.Names)}
			if sum := now.Blocks + now.Bodies + now.Names; sum > now.Limit {
				t.Errorf("%+v is %d bytes in all", now, sum)
			}
			select {
			case <-tick.C:
			case <-ended:
				if t.Logf("at most %+v", most); most.Blocks == 0 || most.Bodies == 0 || most.Names == 0 {
					t.Errorf("some kind is not counted: %+v", most)
				}
				return
			}
		}
	}()
	return func() {
		close(ended)
		<-watched
	}
}

// inCgroup returns a program that is binary in a memory cgroup of its own. Where
// that cannot be made, or would count what is on the test's disk, it is told its
// share instead.
func inCgroup(t testing.TB, binary string, limit int64) string {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nNCLOUDFS_MEMORY=%d exec %s \"$@\"\n", limit/4, binary)
	if group, err := makeCgroup(limit); err != nil {
		t.Logf("no cgroup: %v", err)
	} else {
		t.Cleanup(func() {
			eventually(t, "the cgroup is empty", func() bool { return !errors.Is(unix.Rmdir(group), unix.EBUSY) })
		})
		script = fmt.Sprintf("#!/bin/sh\necho $$ > %s/cgroup.procs && exec %s \"$@\"\n", group, binary)
	}
	path := filepath.Join(root().dir(t), "ncloudfs")
	ok(t, os.WriteFile(path, []byte(script), 0o755))
	return path
}

func makeCgroup(limit int64) (string, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &disk); err != nil || disk.Type == unix.TMPFS_MAGIC {
		return "", errors.Join(err, errors.New("the temporary directory is memory, too"))
	}
	parent, file := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat(parent + "/cgroup.controllers"); errors.Is(err, fs.ErrNotExist) {
		parent, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	}
	group := fmt.Sprintf("%s/%s%d", parent, dirPrefix, os.Getpid())
	if err := os.Mkdir(group, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(group, file), []byte(strconv.FormatInt(limit, 10)), 0o644); err != nil {
		return "", errors.Join(err, os.Remove(group))
	}
	return group, nil
}
